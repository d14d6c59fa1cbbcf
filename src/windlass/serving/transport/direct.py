"""The way of a small POST past ASGI.

ASGI hands a request on in messages, each a dictionary, through a chain of applications, at more than a prediction costs
that shares its call of the model with others. A request whose head names a POST route and a small body takes this way
instead, from uvicorn's parser straight to its route. Everything else, and whoever is not let in, goes through ASGI.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache

from windlass.errors import WindlassError
from windlass.serving.limits import SMALL_BYTES
from windlass.serving.metrics import Metrics
from windlass.serving.transport.encoding import CONTENT_ENCODING
from windlass.serving.transport.errors import Answers
from windlass.serving.transport.guard import Keyring, misdirected, scopes_for
from windlass.serving.transport.http import Poster, Reply, headers_of

RawHeaders = Sequence[tuple[bytes, bytes]]
"""Names in lower case."""
_URLS = 1024
"""Whose route is remembered, whoever asks."""
_LONGEST_URL = 512
"""Bytes; a longer one goes through ASGI, so that what is remembered takes no memory to speak of."""
_NOBODY_WAITS = asyncio.Event()


class Exchange:
    """One request on this way, from its head to its answer."""

    __slots__ = (
        "_body",
        "_parts",
        "disconnected",
        "headers",
        "keep_alive",
        "message_event",
        "path",
        "poster",
        "query",
        "refused",
        "response_complete",
        "response_started",
        "started",
        "task",
    )

    def __init__(
        self, *, poster: Poster, path: Mapping[str, str], query: str, headers: Mapping[str, str], keep_alive: bool
    ) -> None:
        self.started = time.perf_counter()
        self.poster = poster
        self.path = path
        self.query = query
        self.headers = headers
        self.refused: WindlassError | None = None
        self.task: asyncio.Task[None] | None = None
        """What answers it, so that it is not forgotten meanwhile."""
        self._body = poster.body()
        self._parts: list[bytes] = []
        # What uvicorn asks, and tells, of whatever answers a request.
        self.keep_alive = keep_alive
        self.response_started = False
        self.response_complete = False
        self.disconnected = False
        self.message_event = _NOBODY_WAITS

    def take(self, part: bytes) -> None:
        """A part of the body has come; once the request is refused no more is kept."""
        if self.refused is None:
            try:
                self._body.take(len(part))
            except WindlassError as error:
                self.refused = error
                self._parts.clear()
            else:
                self._parts.append(part)

    def content(self) -> bytes:
        """The whole body. Raises Overloaded where it was too much."""
        if self.refused is not None:
            raise self.refused
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    async def plain(self) -> bytes:
        """The body as it was before it was compressed. Raises what refuses it."""
        return await self._body.plain(self.headers, self.content())

    def let_go(self) -> None:
        """It is answered, or its caller has gone."""
        self._body.let_go()


class Direct:
    """Finds the route of a request from its head, and its reply once the body has arrived."""

    def __init__(
        self, posts: Mapping[str, Poster], *, answers: Answers, metrics: Metrics, keyring: Keyring | None
    ) -> None:
        """`posts`: path template -> endpoint; the application has the same routes. With a `keyring` for those who
        have a token."""
        self._answers = answers
        self._metrics = metrics
        self._keyring = keyring
        self._routes: dict[tuple[int, str], list[tuple[list[str], Poster]]] = {}
        for path, poster in posts.items():
            pieces = path.split("/")
            self._routes.setdefault((len(pieces), pieces[-1]), []).append((pieces, poster))
        self._find = lru_cache(_URLS)(self._search)

    def exchange(self, url: bytes, raw: RawHeaders, *, keep_alive: bool) -> Exchange | None:
        """The exchange that a POST with this head begins; None if it is not for this way."""
        found = self._find(url) if len(url) <= _LONGEST_URL else None
        if found is None:
            return None
        poster, named, path, query = found
        headers = headers_of(raw)
        length = headers.get("content-length")
        if length is None or int(length) > SMALL_BYTES or "transfer-encoding" in headers or "expect" in headers:
            return None
        if self._keyring is None:
            refused = misdirected(headers.get("host", ""))
        else:
            refused = self._keyring.refuse(headers.get("authorization", ""), scopes_for("POST", path))
        if refused is not None:
            return None
        return Exchange(poster=poster, path=named, query=query, headers=headers, keep_alive=keep_alive)

    async def reply(self, exchange: Exchange) -> Reply:
        """What is answered, a refusal or a fault of ours included."""
        poster = exchange.poster
        try:
            content = await exchange.plain() if CONTENT_ENCODING in exchange.headers else exchange.content()
            reply = await poster.reply(exchange.path, exchange.query, exchange.headers, content)
        except Exception as error:  # noqa: BLE001 (told to the caller and logged, as on the way through ASGI)
            reply = self._answers.reply(error, explain=poster.explain, method="POST", path=poster.route)
        finally:
            exchange.let_go()
        return reply

    def answered(self, exchange: Exchange, status: int) -> None:
        """Count it, once it has gone."""
        self._metrics.request_answered(exchange.poster.route, status, time.perf_counter() - exchange.started)

    def _search(self, url: bytes) -> tuple[Poster, dict[str, str], str, str] | None:
        """The endpoint, the parts of the path that its template names, the path and the query."""
        if not url.isascii() or not url.startswith(b"/") or b"%" in url or b"#" in url:
            return None
        path, _, query = url.decode("ascii").partition("?")
        pieces = path.split("/")
        for template, poster in self._routes.get((len(pieces), pieces[-1]), ()):
            named: dict[str, str] = {}
            for wanted, given in zip(template, pieces, strict=True):
                if wanted.startswith("{"):
                    if not given:
                        break
                    named[wanted[1:-1]] = given
                elif wanted != given:
                    break
            else:
                return poster, named, path, query
        return None
