"""Tokens as people make and take them back: hashed at rest, in the ledger with who did it, asked for beyond here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from windlass.app import tokens
from windlass.app.workspace import Workspace
from windlass.errors import UsageError
from windlass.records.event import TokenCreated, TokenRevoked
from windlass.records.token import Tokens
from windlass.settings import Settings


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "windlass.toml").touch()
    settings = Settings(project=tmp_path, workspace=tmp_path / ".windlass", actor="ada", host="0.0.0.0")
    with Workspace.open(settings, create=True) as opened:
        yield opened


def in_file(workspace: Workspace) -> Tokens:
    return msgspec.json.decode(workspace.paths.tokens.read_bytes(), type=Tokens)


def test_the_secret_is_kept_nowhere_and_its_hash_opens(workspace: Workspace) -> None:
    name, secret = tokens.create(workspace, "shop", ("predict",))
    assert len(secret) > 40
    everything = b"".join(path.read_bytes() for path in workspace.paths.root.rglob("*") if path.is_file())
    assert secret.encode() not in everything
    (token,) = in_file(workspace).tokens
    assert (token.token, token.holder, token.scopes) == (name, "shop", ("predict",))
    assert token.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert workspace.paths.tokens.stat().st_mode & 0o077 == 0
    assert tokens.create(workspace, "shop", ("predict",))[1] != secret


def test_a_token_for_nobody_is_not_made(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="for nobody"):
        tokens.create(workspace, " ", ("predict",))
    assert tokens.listed(workspace) == []


def test_who_made_and_who_took_back_is_in_the_ledger(workspace: Workspace) -> None:
    name, _ = tokens.create(workspace, "shop", ("predict", "observe"))
    other, _ = tokens.create(workspace, "grafana", ("observe",))
    tokens.revoke(workspace, name, reason="it was in a log")
    assert [token.token for token in in_file(workspace).tokens] == [other]
    assert {event.actor for event in workspace.ledger.events((TokenCreated, TokenRevoked))} == {"ada"}
    rows = {row["token"]: row for row in tokens.listed(workspace)}
    assert rows[name]["revoked"] == "by ada: it was in a log"
    assert rows[other]["revoked"] is None
    for unknown in (name, "token-none"):
        with pytest.raises(UsageError, match="no token"):
            tokens.revoke(workspace, unknown, reason="again")


def test_a_lost_copy_is_written_anew_from_the_ledger(workspace: Workspace) -> None:
    name, _ = tokens.create(workspace, "shop", ("predict",))
    workspace.paths.tokens.write_bytes(b"garbage")
    assert tokens.prepare(workspace, say=print)
    assert [token.token for token in in_file(workspace).tokens] == [name]


@pytest.mark.parametrize(
    ("host", "demanded"),
    [
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("::", True),
        ("10.0.0.7", True),
        ("ml.example", True),
    ],
)
def test_beyond_this_machine_tokens_are_demanded(host: str, demanded: bool) -> None:
    assert tokens.is_beyond(host) is demanded


def test_a_server_that_nobody_could_ask_does_not_start(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="needs a token"):
        tokens.prepare(workspace, say=print)
    tokens.create(workspace, "shop", ("predict",))
    assert tokens.prepare(workspace, say=print)


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({"host": "10.0.0.7"}, True),
        ({"host": "10.0.0.7", "tls_certificate": "a.pem", "tls_key": "b.pem"}, False),
        ({"host": "127.0.0.1", "demand_tokens": True}, False),  # such as behind a proxy
    ],
)
def test_tokens_that_others_could_read_on_their_way_are_warned_of(
    workspace: Workspace, settings: dict[str, Any], warned: bool
) -> None:
    said: list[str] = []
    tokens.create(workspace, "shop", ("predict",))
    workspace.settings = msgspec.structs.replace(workspace.settings, **settings)
    assert tokens.prepare(workspace, say=said.append)
    assert [bool("travel unencrypted" in line and "remedy" in line) for line in said] == [True] * warned


def test_of_tokens_made_at_the_same_time_none_is_lost(workspace: Workspace) -> None:
    def make(number: int) -> str:
        with Workspace(workspace.settings) as other:
            return tokens.create(other, f"caller {number}", ("predict",))[0]

    tokens.create(workspace, "first", ("predict",))
    with ThreadPoolExecutor(4) as threads:
        made = set(threads.map(make, range(8)))
    assert made <= {token.token for token in in_file(workspace).tokens}
