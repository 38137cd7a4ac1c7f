"""A few of the kills of `python -m bench.bench_webhooks --kill 200`: what was acknowledged is there, and is applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import bench_webhooks


def test_no_acknowledged_event_is_lost_when_server_and_worker_are_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench_webhooks.main(["--kill", "3"]) == 0, capsys.readouterr().out
