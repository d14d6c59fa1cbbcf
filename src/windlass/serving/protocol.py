"""HTTP as uvicorn speaks it, with an end to patience: who sends slowly or without end does not keep a connection."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from windlass.serving.limits import MOST_HEAD_BYTES, REQUEST_SECONDS

_REFUSAL = b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class PatientProtocol(HttpToolsProtocol):
    """One connection. A request has REQUEST_SECONDS to arrive, and MOST_HEAD_BYTES for its head."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._begun: float | None = None
        """When the request that is arriving was begun, or the connection was made; None: nothing is arriving."""
        self._head = 0
        """Bytes that came while the head of a request was still incomplete."""
        self._in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begun = time.monotonic()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > MOST_HEAD_BYTES:
                self._end(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun = time.monotonic()
        self._in_head, self._head = True, 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._begun = None
        super().on_message_complete()

    def end_if_late(self, now: float) -> None:
        """Close the connection if its request should have arrived by `now`."""
        if self._begun is not None and now - self._begun > REQUEST_SECONDS:
            self._end(b"408 Request Timeout")

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
