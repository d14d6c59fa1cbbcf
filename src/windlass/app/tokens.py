"""Tokens for the server: made, listed and taken back by people; the ledger says which are in force."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import msgspec

from windlass.app.workspace import Workspace
from windlass.errors import UsageError
from windlass.records.event import TokenCreated, TokenRevoked
from windlass.records.ids import new_id
from windlass.records.token import PREFIX, Scope, Token, Tokens

if TYPE_CHECKING:
    from windlass.app.act import Say

Row = dict[str, Any]
_SECRET_BYTES = 32


def create(workspace: Workspace, holder: str, scopes: tuple[Scope, ...]) -> tuple[str, str]:
    """A token's name and its secret, which is kept nowhere. Raises UsageError for a holder without a name."""
    if not holder.strip():
        raise UsageError("the token is for nobody", where="HOLDER", remedy="name who gets it, such as shop")
    secret, now = PREFIX + secrets.token_urlsafe(_SECRET_BYTES), workspace.clock.now()
    made = TokenCreated(
        token=new_id("token", now),
        holder=holder,
        scopes=tuple(dict.fromkeys(scopes)),
        digest=hashlib.sha256(secret.encode()).hexdigest(),
    )
    workspace.ledger.append(made, at=now, actor=workspace.actor)
    write_tokens(workspace)
    return made.token, secret


def revoke(workspace: Workspace, token: str, *, reason: str) -> None:
    """Take a token back; workers know within a blink. Raises UsageError for one that is not in force."""
    known = {each.token for each in in_force(workspace)}
    if token not in known:
        raise UsageError(f"no token {token!r} is in force", remedy=f"there are: {', '.join(sorted(known)) or 'none'}")
    workspace.ledger.append(TokenRevoked(token=token, reason=reason), at=workspace.clock.now(), actor=workspace.actor)
    write_tokens(workspace)


def listed(workspace: Workspace) -> list[Row]:
    """Every token that was ever made, newest last."""
    found: dict[str, Row] = {}
    for event in workspace.ledger.events((TokenCreated, TokenRevoked)):
        body = event.body
        if isinstance(body, TokenCreated):
            found[body.token] = {
                "token": body.token,
                "holder": body.holder,
                "scopes": list(body.scopes),
                "made": event.at,
                "by": event.actor,
                "revoked": None,
            }
        elif isinstance(body, TokenRevoked):
            found[body.token]["revoked"] = f"by {event.actor}: {body.reason}"
    return list(found.values())


def in_force(workspace: Workspace) -> tuple[Token, ...]:
    """What was made and not taken back."""
    found: dict[str, Token] = {}
    for event in workspace.ledger.events((TokenCreated, TokenRevoked)):
        body = event.body
        if isinstance(body, TokenCreated):
            found[body.token] = Token(token=body.token, holder=body.holder, scopes=body.scopes, digest=body.digest)
        elif isinstance(body, TokenRevoked):
            found.pop(body.token, None)
    return tuple(found.values())


def write_tokens(workspace: Workspace) -> tuple[Token, ...]:
    """Copy for the serving workers what the ledger says; whole, and readable by this user alone."""
    path = workspace.paths.tokens
    staged = path.with_name(f".{path.name}.staged")
    with os.fdopen(os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # or who reads the ledger first could write last, and lose a token
        tokens = in_force(workspace)
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(Tokens(tokens=tokens)), indent=1))
            os.fsync(file.fileno())
        staged.replace(path)
    return tokens


def is_beyond(host: str) -> bool:
    """Whether more than this machine can reach a server at this address."""
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def prepare(workspace: Workspace, *, say: Say) -> bool:
    """Whether a server of this workspace asks for tokens; those in force are written down for it.

    Says so when they are to travel where others can read them. Raises UsageError when it asks for some, and there is
    none.
    """
    tokens = write_tokens(workspace)
    settings = workspace.settings
    beyond = is_beyond(settings.host)
    guarded = beyond or settings.demand_tokens
    if guarded and not tokens:
        where = f"host {settings.host}" if beyond else "demand_tokens"
        raise UsageError(
            "whoever asks this server needs a token, and there is none yet",
            where=where,
            remedy="make one: windlass token create NAME --scope predict",
        )
    if beyond and not settings.tls_certificate:
        say(
            "windlass: tokens and rows travel unencrypted\n"
            "  remedy: set `tls_certificate` and `tls_key`, or let only a proxy with TLS reach this address"
        )
    return guarded
