"""A running sandbox: uvicorn in a thread for tests and demos, or in the foreground."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import uvicorn

from sandbox.core import Settings, World

from .app import App
from .service import Service

PULSE_SECONDS = 0.1


class Server:
    """A sandbox that answers on `url`; `world` is its state, to be touched under `lock`."""

    def __init__(self, world: World, *, host: str = "127.0.0.1", port: int = 0, frozen: bool = False,
                 background: bool = True) -> None:  # fmt: skip
        self._socket = listen(host, port)
        self.host, self.port = self._socket.getsockname()[:2]
        self.url = f"http://{self.host}:{self.port}"
        world.settings = replace(world.settings, base_url=self.url)
        self.world = world
        self.service = Service(world, frozen=frozen)
        self.lock = self.service.lock
        self._background = background
        self._chores: list[Callable[[], None]] = []
        self._stop = threading.Event()
        config = uvicorn.Config(App(self.service), log_level="error", access_log=False, lifespan="off", ws="none",
                                date_header=False)  # fmt: skip
        self._uvicorn = uvicorn.Server(config)
        self._threads: list[threading.Thread] = []

    def every(self, seconds: float, chore: Callable[[], None]) -> None:
        """Call `chore` every so many seconds while the server runs in the background."""
        due = [time.monotonic() + seconds]

        def maybe() -> None:
            if time.monotonic() >= due[0]:
                due[0] = time.monotonic() + seconds
                chore()

        self._chores.append(maybe)

    def deliver(self, *, everything: bool = False) -> int:
        """Send all webhooks that are due; return how many. See `Service.deliver`."""
        return self.service.deliver(everything=everything)

    def advance(self, seconds: float) -> None:
        """Move the world's clock forward."""
        self.service.advance(seconds)

    def start(self) -> None:
        """Serve in a thread; return when the port answers."""
        self._spawn(lambda: self._uvicorn.run(sockets=[self._socket]))
        if self._background:
            self._spawn(self._pulse)
        limit = time.monotonic() + 10
        while not self._uvicorn.started:
            if time.monotonic() > limit:
                raise RuntimeError("the sandbox did not start within 10 seconds")
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop serving."""
        self._stop.set()
        self._uvicorn.should_exit = True
        for thread in self._threads:
            thread.join(10)
        self._socket.close()

    def wait(self) -> None:
        """Block until the server is told to stop."""
        while self._threads[0].is_alive():
            self._threads[0].join(0.5)

    def _spawn(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _pulse(self) -> None:
        while not self._stop.wait(PULSE_SECONDS):
            self.service.tick()
            for chore in self._chores:
                try:
                    chore()
                except Exception:  # a chore that fails must not stop time and deliveries
                    traceback.print_exc()
            self.deliver()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one.

    Raises:
        OSError: the port is taken or the host is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(128)
    except BaseException:
        sock.close()
        raise
    return sock


@contextmanager
def running(world: World | None = None, *, port: int = 0, seed: int = 0, frozen: bool = False,
            background: bool = True, settings: Settings | None = None) -> Iterator[Server]:  # fmt: skip
    """Serve a world on loopback while the block runs.

    Without `background` nothing happens by itself: webhooks go out on `server.deliver()`
    and delayed work is done at the next call. `frozen` stops the clock but for `advance`.
    """
    world = world or World(settings, seed=seed, now=time.time())
    server = Server(world, port=port, frozen=frozen, background=background)
    server.start()
    try:
        yield server
    finally:
        server.stop()
