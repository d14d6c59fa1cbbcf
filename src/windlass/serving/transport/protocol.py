"""HTTP as uvicorn speaks it, with an end to patience: who sends slowly or without end does not keep a connection.

And with patience at the end: a worker that is replaced answers whoever is connected to it once more, and says that it
was the last time. Whatever it has not read of a connection that it closes would be lost, and its caller could not know
whether it was asked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from windlass.serving.limits import MOST_HEAD_BYTES, REQUEST_SECONDS
from windlass.serving.transport.direct import Direct, Exchange, RawHeaders
from windlass.serving.transport.http import JSON, Reply, encode

_UPGRADING = frozenset({b"upgrade", b"http2-settings"})
_REFUSALS = {
    "400 Bad Request": "this is no HTTP request; where the server has a certificate, or the address https, both must",
    "408 Request Timeout": f"the request has not arrived within {REQUEST_SECONDS:g} seconds",
    "431 Request Header Fields Too Large": f"the head of the request is larger than {MOST_HEAD_BYTES // 1024} KiB",
    "503 Service Unavailable": "the worker holds as many connections as it can; try again a little later",
}
"""What is told, beside the status, to whom no route can tell it."""
_TOO_LARGE = "431 Request Header Fields Too Large"


class _HeadTooLarge(Exception):
    """Raised in a call of the parser's, which tells of an error of its own."""


class LastAnswers:
    """Whether the answers of this worker are the last on their connections."""

    def __init__(self) -> None:
        self.begun = False


class PatientProtocol(HttpToolsProtocol):
    """One connection. A request has REQUEST_SECONDS to arrive, and MOST_HEAD_BYTES for its head.

    With `direct`, requests that may take the way past ASGI take it. Beyond `most` connections the next one is refused.
    """

    def __init__(
        self,
        *args: Any,
        direct: Direct | None = None,
        most: int | None = None,
        last: LastAnswers | None = None,
        **named: Any,
    ) -> None:
        super().__init__(*args, **named)
        self._last = last or LastAnswers()
        self._most = most
        self._direct = direct
        self._begun: float | None = None
        """When the request that is arriving was begun, or the connection was made; None: nothing is arriving."""
        self._idle: float | None = None
        """When the last answer went out, if nothing is arriving since."""
        self._read = 0
        """Bytes that came last."""
        self._moved = False
        """Whether some of them were a body, or the beginning or end of a request."""
        self._alone = False
        """Whether they are nothing but the beginning of a request."""
        self._unfinished = 0
        """Bytes of a head that is not complete, or of what may stand between and behind chunks."""
        self._unanswered: list[Any] = []
        """Requests that go through ASGI and have no answer yet: one, and those that were sent before it is answered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begun = time.monotonic()
        if self._most is not None and len(self.connections) > self._most:
            self._end("503 Service Unavailable")

    def data_received(self, data: bytes) -> None:
        """As uvicorn has it, but a request that would rather go on in another protocol is answered in this one: of such
        a request the parser leaves the body aside, and Java's own client asks for HTTP/2 with every one."""
        self._read, self._moved, self._alone = len(data), False, False
        rest = memoryview(data)
        try:
            while True:
                try:
                    self.parser.feed_data(rest)
                    break
                except httptools.HttpParserUpgrade as left:
                    if not self._stays():
                        break
                    rest = rest[left.args[0] :]
                    self._begin_again()
        except httptools.HttpParserError as error:
            if isinstance(error.__context__, _HeadTooLarge):
                self._end(_TOO_LARGE)
            else:
                self._end("400 Bad Request")
            return
        if self._begun is not None and (self._alone or not self._moved):
            self._unfinished += len(data)
            if self._unfinished > MOST_HEAD_BYTES:
                self._end(_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun, self._idle = time.monotonic(), None
        self._alone, self._moved, self._unfinished = not self._moved, True, 0

    def on_headers_complete(self) -> None:
        self._idle = None
        if self._unfinished + self._read > MOST_HEAD_BYTES and _size_of(self.url, self.headers) > MOST_HEAD_BYTES:
            raise _HeadTooLarge
        if self._stays():
            return
        exchange = self._exchange()
        if exchange is None:
            super().on_headers_complete()
            self._unanswered = [*(each for each in self._unanswered if not each.response_complete), self.cycle]
        else:
            self.cycle = exchange  # type: ignore[assignment]
        if self._last.begun:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._alone, self._moved, self._unfinished = False, True, 0
        exchange: Any = self.cycle
        if isinstance(exchange, Exchange):
            exchange.take(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._stays():
            return
        self._begun, self._moved = None, True
        exchange: Any = self.cycle
        if self._direct is not None and isinstance(exchange, Exchange):
            exchange.task = self.loop.create_task(self._answer(exchange, self._direct))
            self.tasks.add(exchange.task)
        else:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn has it, but without a timer for each pause between requests: `end_if_late` sees to all of them."""
        if self.pipeline:
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle = time.monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        exchange: Any = self.cycle
        if isinstance(exchange, Exchange):
            exchange.let_go()
        for cycle in self._unanswered:  # uvicorn tells the newest alone, and another would write to whoever has gone
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def end_if_late(self, now: float) -> None:
        """Close the connection if its request should have arrived by `now`, or if it has been idle for too long."""
        if self._begun is not None and now - self._begun > REQUEST_SECONDS:
            self._end("408 Request Timeout")
        elif self._idle is not None and now - self._idle > self.timeout_keep_alive:
            self._idle = None
            self.transport.close()

    def _stays(self) -> bool:
        """Whether the request that has just come asks for another protocol, and is to be read once more without."""
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def _begin_again(self) -> None:
        """Let another parser read the head of such a request without what asks for it."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                kept = b",".join(word for word in value.split(b",") if word.strip().lower() not in _UPGRADING)
                lines.append(b"connection: %s" % (kept or b"keep-alive"))
            elif name not in _UPGRADING:
                lines.append(b"%s: %s" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def _exchange(self) -> Exchange | None:
        """The short way of the request whose head has just come, if it may take it. Whatever comes before the one
        before it is answered has to wait its turn, which is uvicorn's business."""
        if self._direct is None or (self.cycle is not None and not self.cycle.response_complete):
            return None
        parser = self.parser
        if parser.get_method() != b"POST" or parser.get_http_version() != "1.1":
            return None
        return self._direct.exchange(self.url, self.headers, keep_alive=parser.should_keep_alive())

    async def _answer(self, exchange: Exchange, direct: Direct) -> None:
        try:
            reply = await direct.reply(exchange)
            if self.flow.write_paused:  # its caller does not read what he was sent before
                await self.flow.drain()
            if not self.transport.is_closing():
                exchange.response_started = True
                self.transport.write(wire(reply, self.server_state.default_headers, close=not exchange.keep_alive))
                exchange.response_complete = True
                if not exchange.keep_alive:
                    self.transport.close()
                self.on_response_complete()
            direct.answered(exchange, reply.status)
        finally:
            if exchange.task is not None:
                self.tasks.discard(exchange.task)

    def _end(self, status: str) -> None:
        """Close, with a word of why unless an answer is under way; the application hears that the caller has gone."""
        self._begun = None
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_refusal(status))
        self.transport.close()


def end_late(connections: Iterable[Any]) -> None:
    """End every connection whose request has taken too long to arrive. To be called about once a second."""
    now = time.monotonic()
    for connection in list(connections):
        if isinstance(connection, PatientProtocol):
            connection.end_if_late(now)


def _refusal(status: str) -> bytes:
    body = encode({"error": _REFUSALS[status]})
    head = f"HTTP/1.1 {status}\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def _size_of(url: bytes, headers: RawHeaders) -> int:
    """Bytes of a head, about."""
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)


def wire(reply: Reply, more: RawHeaders, *, close: bool) -> bytes:
    """A reply as it goes over the wire, with the headers that every answer has."""
    lines = [STATUS_LINE[reply.status]]
    lines += [b"%s: %s\r\n" % header for header in more]
    lines += [f"{name.lower()}: {value}\r\n".encode("latin-1") for name, value in reply.headers]
    end = b"connection: close\r\n\r\n" if close else b"\r\n"
    lines.append(b"content-length: %d\r\ncontent-type: %s\r\n%s" % (len(reply.body), reply.media.encode(), end))
    lines.append(reply.body)
    return b"".join(lines)
