"""Stripe's own SDKs against a running sandbox: the newest, and 10.0.0 where it is installed."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from sandbox.cli import starter
from sandbox.http.server import running
from tests.sandbox.client import SHARED

PROBE = SHARED / "tools" / "probe.py"
HAS_OLD_SDK = version("stripe").startswith("10.")


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


@pytest.mark.skipif(not PROBE.exists() or HAS_OLD_SDK, reason="no probe beside the repository, or the old SDK")
def test_the_probe_passes_with_the_newest_sdk() -> None:
    with running(starter(seed=1)) as server:
        lines = _output(sys.executable, str(PROBE), server.url, "sandbox").splitlines()

    assert lines[-1] == "sandbox: 44/44 ok", "\n".join(line for line in lines if " ok " not in line)


@pytest.mark.oldest_sdk
@pytest.mark.skipif(not HAS_OLD_SDK, reason="runs with stripe 10: make test-oldest-stripe")
def test_the_old_sdk_finds_the_old_shapes() -> None:
    probe = Path(__file__).with_name("old_sdk_probe.py")

    with running(starter(seed=1)) as server:
        lines = _output(sys.executable, str(probe), server.url).splitlines()

    assert lines[-1] == "44/44 ok", "\n".join(line for line in lines if not line.startswith("ok"))
