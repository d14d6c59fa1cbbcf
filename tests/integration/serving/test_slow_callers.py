"""Callers that send slowly, or without end, on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from windlass.serving.limits import MOST_BYTES_HELD
from windlass.serving.refusal import Overloaded
from windlass.serving.transport import protocol
from windlass.serving.transport.http import Body, Held
from windlass.serving.transport.protocol import PatientProtocol, end_late


async def echo(scope: Any, receive: Any, send: Any) -> None:
    body = await Body(Held()).read({}, receive)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


class Looking(uvicorn.Server):
    async def on_tick(self, counter: int) -> bool:
        end_late(self.server_state.connections)
        return await super().on_tick(counter)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a server that is in no hurry: how quickly a busy machine sends must not decide."""
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 600)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Looking(
            uvicorn.Config(echo, http=PatientProtocol, lifespan="off", log_config=None, timeout_keep_alive=600)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(120)


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 120)


def rest_of(connection: socket.socket) -> bytes:
    """Everything until the server closes, which it may do before it has read all that it was sent."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            found += part
    return found


def said_of(port: int, sent: bytes) -> bytes:
    """What comes back on a connection of its own, which may be closed while it is written to."""
    with connected(port) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        return rest_of(connection)


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /x HTTP/1.1\r\nHo",
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345",
        b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
def test_a_request_that_does_not_arrive_is_given_up(port: int, begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(port) as connection:
        connection.sendall(begun)
        monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.3)
        assert rest_of(connection).startswith(b"HTTP/1.1 408 ")


def test_a_second_request_on_a_connection_is_held_to_the_same(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(port) as connection:
        connection.sendall(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"POST /x HT")
        monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.3)
        assert b"HTTP/1.1 408 " in rest_of(connection)


HEAD = b"POST /x HTTP/1.1\r\nHost: a\r\n"


def test_an_endless_head_is_refused(port: int) -> None:
    head = b"GET /x HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(80))
    answer = said_of(port, head)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert "larger than 64 KiB" in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01", b"HELLO\r\n\r\n", HEAD + b"Content-Length: x\r\n\r\n"])
def test_what_is_no_http_is_told_so_in_json(port: int, sent: bytes) -> None:
    head, _, body = said_of(port, sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"Content-Type: application/json" in head
    assert "no HTTP request" in json.loads(body)["error"]


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"X-Long: " + b"y" * 70_000 + b"\r\nContent-Length: 0\r\n\r\n",
        HEAD + b"".join(b"X-%d: y\r\n" % number for number in range(8000)) + b"Content-Length: 0\r\n\r\n",
        HEAD.replace(b"/x", b"/" + b"x" * 66_000) + b"Content-Length: 0\r\n\r\n",
    ],
)
def test_a_head_that_is_too_large_is_refused_also_when_it_comes_at_once(port: int, sent: bytes) -> None:
    assert said_of(port, sent).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("begun", [CHUNKED + b"0\r\nX-Last: ", CHUNKED + b"1;x="])
def test_what_stands_between_and_behind_chunks_has_an_end(port: int, begun: bytes) -> None:
    assert said_of(port, begun + b"y" * 4_000_000).startswith(b"HTTP/1.1 431 ")


def test_many_requests_at_once_are_no_long_head(port: int) -> None:
    one = HEAD + b"Content-Length: 2\r\n\r\nok"
    sent = one * 3000
    with connected(port) as connection:
        sending = threading.Thread(target=lambda: (connection.sendall(sent + one[:20]), connection.sendall(one[20:])))
        sending.start()
        found = b""
        while found.count(b"HTTP/1.1 200 ") < 3001:
            found += (part := connection.recv(65536))
            assert part, found[-200:]
        sending.join()


def test_all_bodies_together_are_bounded() -> None:
    held = Held()
    held.size = MOST_BYTES_HELD - 10
    body = Body(held)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * 11, "more_body": False}

    with pytest.raises(Overloaded):
        asyncio.run(body.read({}, receive))
    body.let_go()
    assert held.size == MOST_BYTES_HELD - 10
