"""Between ASGI and the routes: bodies within their limit, media types, errors as JSON, and figures for each route."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from windlass.serving.limits import MOST_BYTES, MOST_BYTES_HELD, MOST_PARTS, SMALL_BYTES
from windlass.serving.metrics import Metrics
from windlass.serving.refusal import Overloaded, Refusal, TooLarge, WrongMedia, details_of
from windlass.serving.transport.encoding import decompressed, encoding_of

encode = msgspec.json.Encoder().encode

JSON = "application/json"
CSV = "text/csv"
JSON_LENGTH = "Inference-Header-Content-Length"
"""Of the Open Inference Protocol: so many bytes of the body are JSON, and tensors follow."""
_MEDIA = {JSON: JSON.encode(), CSV: CSV.encode()}
Headers = Mapping[str, str]
Explain = Callable[[Refusal], dict[str, Any]]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back to the caller."""

    body: bytes
    status: int = 200
    media: str = JSON
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def json(cls, value: Any, *, status: int = 200, **more: Any) -> Reply:
        return cls(body=encode(value), status=status, **more)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the routes see it."""

    path: Mapping[str, str]
    query: str
    """What stands behind the question mark."""
    headers: Headers
    media: str
    body: bytes

    @property
    def request_id(self) -> str | None:
        """The caller's own name for the request, from `X-Request-Id`; overlong ones are cut."""
        given = self.headers.get("x-request-id", "")
        return given[:200] or None

    @property
    def authorization(self) -> str:
        """What the caller shows of who he is."""
        return self.headers.get("authorization", "")


def explain(refusal: Refusal) -> dict[str, Any]:
    """The error object of Windlass's own routes."""
    return {"error": refusal.message, **details_of(refusal)}


class Held:
    """The bytes of all bodies that a worker holds at the moment."""

    def __init__(self) -> None:
        self.size = 0


class Body:
    """The body of one request; what it takes counts until `let_go`."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._size = 0

    async def read(self, headers: Headers, receive: Receive) -> bytes:
        """All of it, by ASGI. Raises TooLarge and Overloaded as soon as that is known, ClientDisconnect when the caller
        goes."""
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > MOST_BYTES:
            raise _too_large()
        parts: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            parts.append(message.get("body", b""))
            self.take(len(parts[-1]))
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    def take(self, size: int) -> None:
        """`size` more bytes have come. Raises TooLarge and Overloaded."""
        self._size += size
        self._held.size += size
        if self._size > MOST_BYTES:
            raise _too_large()
        if self._held.size > MOST_BYTES_HELD:
            raise Overloaded("this worker holds as many bodies as it can", remedy="try again a little later")

    async def plain(self, headers: Headers, content: bytes) -> bytes:
        """What was sent, as it was before it was compressed. Raises WrongMedia, MalformedBody, TooLarge, Overloaded."""
        encoding = encoding_of(headers)
        if encoding is None:
            return content
        found = await decompressed(content, encoding)
        self.take(len(found) - len(content))
        return found

    def let_go(self) -> None:
        """The request is answered, or its caller has gone."""
        self._held.size -= self._size
        self._size = 0


class Poster:
    """A POST route: reads the body and answers."""

    def __init__(
        self,
        handle: Callable[[Call], Awaitable[Reply]],
        *,
        route: str,
        held: Held,
        media: tuple[str, ...] = (JSON,),
        tensors: bool = False,
        explain: Explain = explain,
    ) -> None:
        """`tensors`: behind the JSON of a body some may follow."""
        self.route = route
        self._handle = handle
        self._held = held
        self._media = media
        self._tensors = tensors
        self.explain = explain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope["headers"])
        body = self.body()
        try:
            _media_of(headers, self._media)  # a body that is not read here need not arrive
            encoding_of(headers)
            content = await body.plain(headers, await body.read(headers, receive))
            query = scope["query_string"].decode("latin-1")
            await respond(await self.reply(scope["path_params"], query, headers, content), send)
        finally:
            body.let_go()

    def body(self) -> Body:
        """The body of a request that begins."""
        return Body(self._held)

    async def reply(self, path: Mapping[str, str], query: str, headers: Headers, content: bytes) -> Reply:
        """The answer to a request that has arrived."""
        media = _media_of(headers, self._media)
        if len(content) > SMALL_BYTES and media != CSV:
            _check_parts(_json_of(headers, content) if self._tensors else content)
        return await self._handle(Call(path=path, query=query, headers=headers, media=media, body=content))


class Getter:
    """A GET route: quick, answered on the event loop."""

    def __init__(self, handle: Callable[[Request], Reply], *, route: str, explain: Explain = explain) -> None:
        self.route = route
        self.explain = explain
        self._handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(self._handle(Request(scope, receive)), send)


class Measured:
    """Counts and times every request by its route; unknown paths count together."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("endpoint"), "route", "unmatched")
            self._metrics.request_answered(route, status, time.perf_counter() - started)


async def respond(reply: Reply, send: Send) -> None:
    media = _MEDIA.get(reply.media) or reply.media.encode()
    headers = [(b"content-length", b"%d" % len(reply.body)), (b"content-type", media)]
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def headers_of(raw: Sequence[tuple[bytes, bytes]]) -> Headers:
    """By name, in lower case as they come here; of one that comes twice the first."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(raw)}


def _media_of(headers: Headers, accepted: tuple[str, ...]) -> str:
    """The body's media type; one that is not given counts as the first accepted.

    But not from a browser, which tells of itself by `Origin`: a page of anybody's may have it send a body of no type to
    whatever listens on its user's machine, and must ask first for one that says what it is.
    """
    given = headers.get("content-type")
    if not given and "origin" in headers:
        raise WrongMedia("a browser must say what it sends", remedy=f"set Content-Type to {' or '.join(accepted)}")
    return accepted[0] if not given or given == accepted[0] else _media_named(given, accepted)


def _media_named(given: str, accepted: tuple[str, ...]) -> str:
    media, *parameters = (part.strip().lower() for part in given.split(";"))
    charset = next((text.partition("=")[2].strip('" ') for text in parameters if text.startswith("charset=")), "utf-8")
    if charset not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise WrongMedia(f"the charset {charset!r} is not read here", remedy="send UTF-8")
    if media not in accepted:
        raise WrongMedia(f"the content type {media!r} is not read here", remedy=f"send {' or '.join(accepted)}")
    return media


def _json_of(headers: Headers, content: bytes) -> bytes:
    told = headers.get(JSON_LENGTH.lower(), "")
    return content[: int(told)] if re.fullmatch("[0-9]{1,9}", told) else content


def _check_parts(text: bytes) -> None:
    """Raises TooLarge for more objects and lists than any request needs: each would take twenty times its text."""
    parts = text.count(b"{") + text.count(b"[")
    if parts > MOST_PARTS:
        raise TooLarge(
            f"the body has {parts} objects and lists, more than {MOST_PARTS}",
            remedy="send the rows in several requests",
        )


def _too_large() -> TooLarge:
    return TooLarge(f"the body is larger than {MOST_BYTES} bytes", remedy="send the rows in several requests")
