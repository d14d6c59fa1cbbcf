"""Who may ask for what, checked before anything else is done with a request: a bearer token and its scopes.

Where none is asked for, the server listens on the loopback address, and whoever is at this machine may do all. A web
page that is open there may not. What it asks of another origin is the browser's to refuse; but its own domain may lead
to 127.0.0.1 (DNS rebinding), and then the server is of its origin. The name that the browser sends along gives it away:
it is a domain, by which nobody means this machine.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

import msgspec
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from windlass.records.token import Scope, Token, Tokens
from windlass.serving.refusal import Refusal
from windlass.serving.stamps import Stamp, stamp_of
from windlass.serving.transport.http import Reply, encode, explain, respond

_log = logging.getLogger(__name__)

_OPEN = frozenset({"/livez"})
"""Says that the process lives, and no more: to whoever watches over it."""
_TERSE = "/readyz"
"""Answers a load balancer, which has no token, too: with nothing but the products and whether they are ready."""
_OBSERVING = frozenset({"/", "/metrics", "/readyz"})
_BEARER = "bearer "
_HOSTS = 256
"""Whose names are remembered, whoever asks."""
TERSE = "windlass.terse"
"""Key of an ASGI scope: whoever asks has no token, and is not to be told more than he must know."""


class Keyring:
    """The tokens in force, after the file that the parent wrote; where that cannot be read, nobody may do anything."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: Stamp | None = None
        self._tokens: dict[str, Token] = {}

    def look(self) -> None:
        """Read the file if it was replaced. To be called a few times a second."""
        try:
            seen = stamp_of(self._path)
            if seen == self._seen:
                return
            found = msgspec.json.decode(self._path.read_bytes(), type=Tokens)
        except (OSError, msgspec.DecodeError) as error:
            if self._tokens or self._seen is None:
                _log.error("the tokens cannot be read, so nobody is let in: %s", error)
            self._seen, self._tokens = (0, 0, 0), {}
            return
        self._seen = seen
        self._tokens = {token.digest: token for token in found.tokens}

    def holder(self, secret: str) -> Token | None:
        """The token behind a secret; None for one that is not in force."""
        return self._tokens.get(hashlib.sha256(secret.encode()).hexdigest())

    def actor(self, authorization: str) -> str:
        """The id of the token with which such a header was let in."""
        token = self._token(authorization)
        return "a token taken back since" if token is None else token.token

    def _token(self, authorization: str) -> Token | None:
        return self.holder(authorization[len(_BEARER) :].strip())

    def refuse(self, authorization: str, wanted: Iterable[Scope]) -> Refusal | None:
        """Why a caller with this header may not do what any of the scopes `wanted` allows; None: he may."""
        if authorization[: len(_BEARER)].lower() != _BEARER:
            return _refusal(401, "this server asks for a token: send the header `Authorization: Bearer TOKEN`")
        token = self._token(authorization)
        if token is None:
            return _refusal(401, "this token is not in force: ask who runs the server for another")
        allowed = {*token.scopes}
        if "admin" in allowed or allowed & {*wanted}:
            return None
        needed = " or ".join(wanted)
        return _refusal(403, f"the token {token.token} allows {', '.join(token.scopes)}; this takes {needed}")


class Doorstep:
    """`app`, for those who mean this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        host = next((value for name, value in scope.get("headers", ()) if name == b"host"), b"").decode("latin-1")
        refusal = None if scope["type"] != "http" or scope["path"] in _OPEN else misdirected(host)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _turn_away(refusal, send)


class Guard:
    """`app`, for those who may."""

    def __init__(self, app: ASGIApp, keyring: Keyring) -> None:
        self._app = app
        self._keyring = keyring

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _OPEN:
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode("latin-1")
        refusal = self._keyring.refuse(given, scopes_for(scope["method"], scope["path"]))
        if refusal is not None and scope["path"] == _TERSE:
            scope[TERSE], refusal = True, None
        if refusal is None:
            await self._app(scope, receive, send)
            return
        await _turn_away(refusal, send)


async def _turn_away(refusal: Refusal, send: Send) -> None:
    await respond(Reply(body=encode(explain(refusal)), status=refusal.status, headers=refusal.headers), send)


@lru_cache(_HOSTS)
def misdirected(host: str) -> Refusal | None:
    """Why a request with this `Host` is not meant for a server on the loopback address; None: it may be.

    An address, a name without a dot (no page in the world has one) and `*.localhost` are.
    """
    name = host.rsplit("]", 1)[0].lstrip("[") if host.startswith("[") else host.split(":", 1)[0]
    name = name.rstrip(".").lower()
    if "." not in name or name.endswith(".localhost") or _is_address(name):
        return None
    told = f"this server answers whoever is at this machine, which is not called {name[:100]!r}"
    return _refusal(421, f"{told}; behind a proxy set `demand_tokens = true`, or have it send `Host: localhost`")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def scopes_for(method: str, path: str) -> tuple[Scope, ...]:
    """The scopes of which one is needed. Outcomes and measurements steer the loop: versions are judged by them."""
    if method == "POST":
        return ("operate",) if path.endswith(("/outcomes", "/measurements")) else ("predict",)
    return ("observe",) if path in _OBSERVING else ("predict", "observe")


def _refusal(status: int, message: str) -> Refusal:
    headers = (("WWW-Authenticate", "Bearer"),) if status == 401 else ()
    return Refusal(status=status, message=message, headers=headers)
