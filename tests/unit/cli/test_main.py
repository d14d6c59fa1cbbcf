from __future__ import annotations

import errno
import importlib
import os
import pkgutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import windlass.cli
from windlass.cli.main import app, main
from windlass.errors import UsageError


@pytest.mark.parametrize(
    ("name", "given", "found"),
    [
        ("OMP_WAIT_POLICY", None, "PASSIVE"),
        ("OMP_WAIT_POLICY", "ACTIVE", "ACTIVE"),
        ("OPENBLAS_THREAD_TIMEOUT", None, "4"),
        ("OPENBLAS_THREAD_TIMEOUT", "20", "20"),
    ],
)
def test_waiting_threads_sleep_unless_told_otherwise(monkeypatch, name, given, found):
    monkeypatch.setattr("sys.argv", ["windlass", "--version"])
    others = {other: value for other, value in os.environ.items() if other != name}
    monkeypatch.setattr(os, "environ", others if given is None else {**others, name: given})
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    assert os.environ[name] == found


def test_an_address_is_no_path_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["backup", "s3://bucket/monday"], ["assess", "https://example.org/repository"]):
        refused = CliRunner().invoke(app, words)
        assert isinstance(refused.exception, UsageError)
        assert f"{words[1]} is an address" in str(refused.exception)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_in_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    def full(**_: object) -> None:
        raise OSError(number, "No space left on device", "/data/out.html")

    monkeypatch.setattr(app, "main", full)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("windlass: the disk is full (/data/out.html)\n  remedy: ")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_file_that_may_not_be_written_is_told_in_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    def refused(**_: object) -> None:
        raise OSError(number, os.strerror(number), "/data/out.html")

    monkeypatch.setattr(app, "main", refused)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    assert capsys.readouterr().err.startswith(f"windlass: /data/out.html: {os.strerror(number)}\n  remedy: ")


def test_what_nobody_foresaw_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        raise OSError(errno.EACCES, "of nothing that has a name")

    monkeypatch.setattr(app, "main", refused)
    with pytest.raises(OSError, match="of nothing"):
        main()


@pytest.mark.parametrize("group", [[], ["runs"], ["data"], ["ledger"]])
def test_every_command_is_told_in_one_whole_line(group: list[str]) -> None:
    """`...` in a list of commands tells a newcomer half of what there is."""
    shown = CliRunner().invoke(app, [*group, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"}).output
    listed = shown.partition("Commands:\n")[2].splitlines()
    assert listed
    assert [line for line in listed if line.endswith("...")] == []


def listed() -> dict[str, click.Command | None]:
    context = click.Context(app)
    return {name: app.get_command(context, name) for name in app.list_commands(context)}


def test_each_command_is_where_it_is_said_to_be() -> None:
    for name, command in listed().items():
        assert isinstance(command, click.Command)
        assert command.name == name


def test_no_command_is_left_out() -> None:
    defined: list[click.Command] = []
    for found in pkgutil.iter_modules(windlass.cli.__path__):
        module = importlib.import_module(f"windlass.cli.{found.name}")
        defined += [each for each in vars(module).values() if isinstance(each, click.Command) and each is not app]
    inner = {id(each) for group in defined if isinstance(group, click.Group) for each in group.commands.values()}
    mounted = {id(each) for each in listed().values()}
    assert inner
    assert [each.name for each in defined if id(each) not in mounted | inner] == []


def test_commands_are_listed_in_the_order_of_their_declaration() -> None:
    order = list(listed())
    assert order[:2] == ["init", "up"]
    assert order.index("status") < order.index("releases") < order.index("alarms") < order.index("token")
    shown = CliRunner().invoke(app, ["ledger", "--help"]).output.partition("Commands:\n")[2]
    assert [line.split()[0] for line in shown.splitlines()] == ["verify", "checkpoint", "key", "rotate-key"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["statsu"], "Did you mean 'status'?"),
        (["runs", "compar"], "Did you mean 'compare'?"),
        (["status", "--jsn"], "Did you mean '--json'?"),
        (["promote", "v2"], "Missing option '--reason'"),
        (["events", "--limit", "0"], "0 is not in the range"),
    ],
)
def test_a_wrong_call_is_told_as_one(words: list[str], told: str) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert told in done.stderr


def called(*words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """What the command leaves with."""
    monkeypatch.setattr("sys.argv", ["windlass", *words])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def test_exit_codes(monkeypatch: pytest.MonkeyPatch, tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("--help", monkeypatch=monkeypatch) == 0
    assert called(monkeypatch=monkeypatch) == 2  # the help, since nothing was asked for
    assert called("statsu", monkeypatch=monkeypatch) == 2
    assert "No such command 'statsu'. Did you mean 'status'?" in capsys.readouterr().err
    assert called("status", "--project", str(tmp_path), monkeypatch=monkeypatch) == 2
    assert "windlass: there is no workspace here yet" in capsys.readouterr().err


def test_an_interrupted_command_leaves_as_shells_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("windlass.cli.show.workspace", interrupted)
    assert called("status", monkeypatch=monkeypatch) == 130


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_reason_is_not_blank(blank: str) -> None:
    for command in (["pause"], ["rollback"], ["alerts", "silence", "--for", "2h"]):
        refused = CliRunner().invoke(app, [*command, "--reason", blank]).exception
        assert isinstance(refused, UsageError)
        assert "the reason is empty" in str(refused)
