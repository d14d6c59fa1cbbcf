"""HTTP as uvicorn speaks it, with an end to patience: who sends slowly or without end does not keep a connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from windlass.serving.limits import MOST_HEAD_BYTES, REQUEST_SECONDS
from windlass.serving.transport.direct import Direct, Exchange, RawHeaders
from windlass.serving.transport.http import Reply

_REFUSAL = b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class PatientProtocol(HttpToolsProtocol):
    """One connection. A request has REQUEST_SECONDS to arrive, and MOST_HEAD_BYTES for its head.

    With `direct`, requests that may take the way past ASGI take it. Beyond `most` connections the next one is refused.
    """

    def __init__(self, *args: Any, direct: Direct | None = None, most: int | None = None, **named: Any) -> None:
        super().__init__(*args, **named)
        self._most = most
        self._direct = direct
        self._begun: float | None = None
        """When the request that is arriving was begun, or the connection was made; None: nothing is arriving."""
        self._idle: float | None = None
        """When the last answer went out, if nothing is arriving since."""
        self._head = 0
        """Bytes that came while the head of a request was still incomplete."""
        self._in_head = True
        self._unanswered: list[Any] = []
        """Requests that go through ASGI and have no answer yet: one, and those that were sent before it is answered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begun = time.monotonic()
        if self._most is not None and len(self.connections) > self._most:
            self._end(b"503 Service Unavailable")

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > MOST_HEAD_BYTES:
                self._end(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun, self._idle = time.monotonic(), None
        self._in_head, self._head = True, 0

    def on_headers_complete(self) -> None:
        self._in_head, self._idle = False, None
        exchange = self._exchange()
        if exchange is None:
            super().on_headers_complete()
            self._unanswered = [*(each for each in self._unanswered if not each.response_complete), self.cycle]
        else:
            self.cycle = exchange  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        exchange: Any = self.cycle
        if isinstance(exchange, Exchange):
            exchange.take(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._begun = None
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
            self._end(b"408 Request Timeout")
        elif self._idle is not None and now - self._idle > self.timeout_keep_alive:
            self._idle = None
            self.transport.close()

    def _exchange(self) -> Exchange | None:
        """The short way of the request whose head has just come, if it may take it. Whatever comes before the one
        before it is answered has to wait its turn, which is uvicorn's business."""
        if self._direct is None or (self.cycle is not None and not self.cycle.response_complete):
            return None
        parser = self.parser
        if parser.get_method() != b"POST" or parser.should_upgrade() or parser.get_http_version() != "1.1":
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

    def _end(self, status: bytes) -> None:
        """Close, with a word of why unless an answer is under way; the application hears that the caller has gone."""
        self._begun = None
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_REFUSAL % status)
        self.transport.close()


def end_late(connections: Iterable[Any]) -> None:
    """End every connection whose request has taken too long to arrive. To be called about once a second."""
    now = time.monotonic()
    for connection in list(connections):
        if isinstance(connection, PatientProtocol):
            connection.end_if_late(now)


def wire(reply: Reply, more: RawHeaders, *, close: bool) -> bytes:
    """A reply as it goes over the wire, with the headers that every answer has."""
    lines = [STATUS_LINE[reply.status]]
    lines += [b"%s: %s\r\n" % header for header in more]
    lines += [f"{name.lower()}: {value}\r\n".encode("latin-1") for name, value in reply.headers]
    end = b"connection: close\r\n\r\n" if close else b"\r\n"
    lines.append(b"content-length: %d\r\ncontent-type: %s\r\n%s" % (len(reply.body), reply.media.encode(), end))
    lines.append(reply.body)
    return b"".join(lines)
