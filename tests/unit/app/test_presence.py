"""Whether the holder of the lease lives, as others on its machine can tell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from windlass.app.presence import Presence
from windlass.records.lease import Lease

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def lease(token: int) -> Lease:
    return Lease(holder="somebody", token=token, expires_at=NOON)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "holders"


@pytest.fixture
def boot(tmp_path: Path) -> Path:
    file = tmp_path / "boot_id"
    file.write_text("this start of this machine")
    return file


def test_one_that_shows_itself_has_not_ended_and_is_told_apart_by_its_token(folder: Path, boot: Path) -> None:
    first, other = Presence(folder, boot=boot), Presence(folder, boot=boot)
    first.show(1)
    assert not other.ended(lease(1))
    first.close()
    assert other.ended(lease(1))
    assert other.ended(lease(1)), "asking changes nothing"
    assert not other.ended(lease(2)), "of whom nothing is known"


def test_whoever_comes_next_clears_up(folder: Path, boot: Path) -> None:
    first, second = Presence(folder, boot=boot), Presence(folder, boot=boot)
    first.show(1)
    second.show(2)
    assert [path.name for path in folder.iterdir()] == ["2"]
    assert not first.ended(lease(2))
    first.show(3)
    assert [path.name for path in folder.iterdir()] == ["3"]
    assert not second.ended(lease(3))


@pytest.mark.parametrize("now", ["another start", None], ids=["another machine", "one that cannot be told"])
def test_of_another_machine_nothing_is_known(folder: Path, boot: Path, now: str | None) -> None:
    holder = Presence(folder, boot=boot)
    holder.show(1)
    holder.close()
    boot.unlink()
    if now is not None:
        boot.write_text(now)
    assert not Presence(folder, boot=boot).ended(lease(1))
    assert holder.ended(lease(1)), "one of that start knows"


def test_on_a_system_that_does_not_tell_starts_apart_nobody_seems_to_have_ended(folder: Path, boot: Path) -> None:
    boot.unlink()
    holder = Presence(folder, boot=boot)
    holder.show(1)
    holder.close()
    assert not Presence(folder, boot=boot).ended(lease(1))
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_keeps_nobody_from_acting(folder: Path, boot: Path) -> None:
    folder.write_text("in the way")
    holder = Presence(folder, boot=boot)
    holder.show(1)
    assert not holder.ended(lease(1))


def test_one_that_is_stopped_lives_and_one_that_is_killed_has_ended(folder: Path) -> None:
    script = (
        "import pathlib, subprocess, sys\nfrom windlass.app.presence import Presence\n"
        "Presence(pathlib.Path(sys.argv[1])).show(1)\n"
        "subprocess.Popen(['sleep', '60'])\n"  # which it has started, and which outlives it
        "print('shown', flush=True)\nsys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "shown\n"
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        assert not Presence(folder).ended(lease(1))
        process.kill()
        process.wait()
        assert Presence(folder).ended(lease(1))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
