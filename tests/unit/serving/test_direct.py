"""The short way of small requests: on a real socket, with the answers that the way through ASGI gives."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import uvicorn

from windlass.serving.app import Application
from windlass.serving.limits import MOST_BYTES, MOST_BYTES_HELD, SMALL_BYTES
from windlass.serving.transport import direct as short
from windlass.serving.transport import protocol
from windlass.serving.transport.guard import Keyring
from windlass.serving.transport.protocol import PatientProtocol, end_late

HEADERS = {"Content-Type": "application/json"}


class Looking(uvicorn.Server):
    async def on_tick(self, counter: int) -> bool:
        end_late(self.server_state.connections)
        return await super().on_tick(counter)


class Served:
    """The stage's application on a socket, and which requests went past ASGI."""

    def __init__(self, stage: Any, keyring: Keyring | None = None, most: int | None = None) -> None:
        self.stage = stage
        self.application = Application(stage.parts, keyring=keyring)
        self.short: list[str] = []
        reply = self.application.direct.reply

        async def noted(exchange: short.Exchange) -> Any:
            self.short.append(exchange.poster.route)
            return await reply(exchange)

        self.application.direct.reply = noted  # type: ignore[method-assign]
        http_class: Any = partial(PatientProtocol, direct=self.application.direct, most=most)
        config = uvicorn.Config(self.application, http=http_class, lifespan="off", log_config=None, server_header=False)
        self.server = Looking(config)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self._listener]})

    def __enter__(self) -> Served:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join(120)
        assert not self._thread.is_alive()
        self._listener.close()

    def ask(self, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, str], Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("POST", path, body, {**HEADERS, **{k.replace("_", "-"): v for k, v in headers.items()}})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(content)

    def say(self, *sent: bytes, until: int = 1) -> bytes:
        """What comes back on one connection, until `until` answers are there or the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), 120) as connection:
            found = b""
            for part in sent:
                connection.sendall(part)
            while found.count(b"HTTP/1.1 ") - found.count(b"HTTP/1.1 100") < until or not found.endswith(b"}"):
                part = connection.recv(65536)
                if not part:
                    break
                found += part
            return found


@pytest.fixture
def served(flights: Any) -> Iterator[Served]:
    with Served(flights) as made:
        yield made


def rows(stage: Any, **changed: Any) -> bytes:
    return json.dumps({"rows": [{**stage.row, **changed}]}).encode()


def request(body: bytes, *lines: bytes, path: bytes = b"/flights/predict", version: bytes = b"1.1") -> bytes:
    given = b"".join(line + b"\r\n" for line in lines) or b"Content-Length: %d\r\n" % len(body)
    return b"POST %s HTTP/%s\r\nHost: a\r\nContent-Type: application/json\r\n%s\r\n%s" % (path, version, given, body)


def without_ids(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: without_ids(value) for name, value in told.items() if name not in ("id", "error_id")}
    return [without_ids(each) for each in told] if isinstance(told, list) else told


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    "wish",
    [
        (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
        (b"Upgrade: websocket", b"Connection: keep-alive, upgrade", b"Sec-WebSocket-Key: x"),
    ],
)
def test_who_would_rather_speak_another_protocol_is_answered_in_this_one(
    served: Served, wish: tuple[bytes, ...], together: bool
) -> None:
    body = rows(served.stage)
    asked = request(body, b"Content-Length: %d" % len(body), *wish)
    sent = [asked * 3] if together else [asked[: -len(body)], body, asked[:20], asked[20:], asked]
    found = served.say(*sent, until=3)
    assert (found.count(b"HTTP/1.1 200 "), found.count(b'"predictions"')) == (3, 3), found
    assert len(served.stage.captured) == 3


def test_so_is_who_wants_to_end_the_connection_after_it(served: Served) -> None:
    body = rows(served.stage)
    asked = request(body, b"Content-Length: %d" % len(body), b"Connection: Upgrade, close", b"Upgrade: h2c")
    found = served.say(asked, until=2)
    assert found.count(b"HTTP/1.1 200 ") == 1
    assert b"connection: close" in found.lower()


def test_a_chunked_body_of_such_a_request_arrives(served: Served) -> None:
    body = rows(served.stage)
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    found = served.say(request(chunks, b"Transfer-Encoding: chunked", b"Connection: Upgrade", b"Upgrade: h2c"))
    assert found.startswith(b"HTTP/1.1 200 ")


def test_a_tunnel_is_not_begun(served: Served) -> None:
    assert served.say(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/flights/predict", b"good", {}, 200),
        ("/flights/predict?explain=perhaps", b"good", {}, 422),
        ("/flights/predict", b'{"rows": [{"distance": "far"}]}', {}, 422),
        ("/flights/predict", b'{"rows": ', {}, 400),
        ("/flights/predict", b"good", {"Content-Type": "text/plain"}, 415),
        ("/flights/predict", b"good", {"Content-Encoding": "br"}, 415),
        ("/flights/predict", b"good", {"Content-Type": "", "Origin": "http://evil.example"}, 415),
        ("/flights/predict", b"good", {"Content-Type": ""}, 200),
        ("/flights/predict", b"good", {"Origin": "http://localhost:3000"}, 200),
        ("/flights/predict", b"good", {"Content-Encoding": "gzip"}, 400),
        ("/flights/predict", b"good", {"Content-Encoding": "identity"}, 200),
        ("/flights/predict", b"good", {"Host": "localhost:8080"}, 200),
        ("/ships/predict", b"good", {}, 404),
        ("/flights/invocations", b'{"instances": [1], "inputs": [2]}', {}, 422),
        ("/flights/outcomes", b'{"outcomes": [{"key": "f1", "value": true}]}', {}, 202),
        ("/v2/models/flights/versions/v9/infer", b'{"inputs": []}', {}, 404),
    ],
)
def test_it_gives_the_answer_that_asgi_gives(
    served: Served, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    sent = rows(served.stage) if body == b"good" else body
    through_asgi = served.stage.client.post(path, content=sent, headers={**HEADERS, **headers})
    found, about, told = served.ask(path, sent, **{k.replace("-", "_"): v for k, v in headers.items()})
    assert len(served.short) == 1
    assert (found, through_asgi.status_code) == (status, status)
    assert without_ids(told) == without_ids(through_asgi.json())
    ours = {name: value for name, value in about.items() if name not in ("date", "content-length")}
    assert ours == {name: value for name, value in through_asgi.headers.items() if name != "content-length"}
    assert "date" in about


def test_a_page_whose_domain_leads_here_does_not_take_it(served: Served) -> None:
    body = rows(served.stage)
    asked = request(body).replace(b"Host: a\r\n", b"Host: evil.example\r\n")
    assert served.say(asked).startswith(b"HTTP/1.1 421 ")
    assert served.stage.captured == []


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_body_is_answered_as_it_was_before(
    served: Served, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    plain = rows(served.stage)
    _, _, expected = served.ask("/flights/predict", plain)
    status, _, told = served.ask("/flights/predict", compress(plain), Content_Encoding=encoding)
    assert (status, without_ids(told)) == (200, without_ids(expected))
    large = compress(plain + b" " * MOST_BYTES)
    through_asgi = served.stage.client.post(
        "/flights/predict", content=compress(plain), headers={**HEADERS, "Content-Encoding": encoding}
    )
    assert without_ids(through_asgi.json()) == without_ids(expected)
    status, _, told = served.ask("/flights/predict", large, Content_Encoding=encoding)
    assert status == 413, told
    assert served.application.held.size == 0  # whatever came of it


def test_without_a_champion_it_says_when_to_come_back(stage: Any) -> None:
    stage.route(None)
    with Served(stage) as served:
        status, headers, _ = served.ask("/flights/predict", rows(stage))
    assert (status, headers["retry-after"], served.short) == (503, "1", ["/{product}/predict"])


def test_a_fault_of_ours_is_told_by_name_and_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    served.stage.parts.batcher._answering.answer = lambda _: 1 / 0
    status, _, told = served.ask("/flights/predict", rows(served.stage))
    assert status == 500
    assert told["error_id"] in caplog.text
    assert "ZeroDivisionError: division by zero" in caplog.text


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((b"Transfer-Encoding: chunked",), id="chunked"),
        pytest.param((b"Content-Length: %d", b"Expect: 100-continue"), id="asks first"),
    ],
)
def test_a_body_that_comes_otherwise_goes_through_asgi(served: Served, lines: tuple[bytes, ...]) -> None:
    body = rows(served.stage)
    chunked = lines[0].startswith(b"Transfer")
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    head = [line % len(body) if b"%d" in line else line for line in lines]
    told = served.say(request(sent, *head))
    assert b"HTTP/1.1 200 OK" in told
    assert served.short == []


def test_a_large_body_goes_through_asgi(served: Served) -> None:
    body = json.dumps({"rows": [served.stage.row], "padding": "x" * SMALL_BYTES}).encode()
    assert served.ask("/flights/predict", body)[0] == 200
    assert served.short == []


def test_a_long_url_goes_through_asgi_and_is_not_remembered(served: Served) -> None:
    path = "/flights/predict?explain=false"
    assert served.ask(path, rows(served.stage))[0] == 200
    assert served.ask(path + "&more=" + "x" * 512, rows(served.stage))[0] == 200
    assert served.short == ["/{product}/predict"]
    assert served.application.direct._find.cache_info().currsize == 1


def test_requests_sent_in_one_go_are_answered_in_their_order(served: Served) -> None:
    sent = b"".join(request(rows(served.stage, distance=place / 10)) for place in range(5))
    told = served.say(sent, until=5)
    scores = [json.loads(part.partition(b"\r\n\r\n")[2])["predictions"][0] for part in told.split(b"HTTP/1.1 ")[1:]]
    assert [score["score"] for score in scores] == [place / 10 for place in range(5)]
    assert len(served.stage.captured) == 5


def test_a_body_may_come_in_pieces(served: Served) -> None:
    whole = request(rows(served.stage))
    at = whole.index(b"\r\n\r\n") + 10
    assert served.say(whole[:at], whole[at:]).startswith(b"HTTP/1.1 200 OK")
    assert served.short == ["/{product}/predict"]


@pytest.mark.parametrize(("lines", "version"), [((b"Connection: close",), b"1.1"), ((), b"1.0")])
def test_whoever_wants_the_connection_closed_is_told_that_it_is(
    served: Served, lines: tuple[bytes, ...], version: bytes
) -> None:
    body = rows(served.stage)
    told = served.say(request(body, b"Content-Length: %d" % len(body), *lines, version=version), until=2)
    assert told.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in told


def test_a_caller_who_goes_takes_nothing_along(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), 120) as connection:
        connection.sendall(request(rows(served.stage))[:-5])
    assert served.ask("/flights/predict", rows(served.stage))[0] == 200
    deadline = time.monotonic() + 120
    while served.application.held.size and time.monotonic() < deadline:
        served.ask("/flights/predict", rows(served.stage))
    assert served.application.held.size == 0


def test_nobody_writes_to_a_caller_who_has_gone_before_his_first_answer(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    answer, asked, go_on = served.stage.parts.batcher._answering.answer, threading.Event(), threading.Event()

    def slowly(inquiries: Any) -> Any:
        asked.set()
        assert go_on.wait(600)
        return answer(inquiries)

    served.stage.parts.batcher._answering.answer = slowly
    body = rows(served.stage)
    chunked = request(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body), b"Transfer-Encoding: chunked")
    with socket.create_connection(("127.0.0.1", served.port), 120) as connection:
        connection.sendall(chunked * 3)
        assert asked.wait(120)
    state, pause, deadline = served.server.server_state, threading.Event(), time.monotonic() + 120
    while state.connections and time.monotonic() < deadline:
        pause.wait(0.001)
    go_on.set()
    while state.tasks and time.monotonic() < deadline:
        pause.wait(0.001)
    assert "closed" not in caplog.text
    assert served.stage.metric('windlass_http_requests_total{route="/{product}/predict",status="200"}') == 1


def test_a_connection_too_many_is_refused_and_the_others_go_on(flights: Any) -> None:
    with Served(flights, most=2) as served, socket.create_connection(("127.0.0.1", served.port), 120) as slow:
        slow.sendall(b"POST /flights/predict HTTP/1.1\r\n")
        with socket.create_connection(("127.0.0.1", served.port), 120) as other:
            other.sendall(request(rows(flights)))
            assert other.recv(65536).startswith(b"HTTP/1.1 200 OK")
            assert served.say(b"", until=2).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            other.sendall(request(rows(flights)))
            assert other.recv(65536).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("soft", "hard", "most"), [(64, 256, 192), (256, 256, 192), (1024, 1024, 768), (64, 64, 16), (50, 50, 8)]
)
def test_a_worker_opens_as_many_files_as_it_may_and_keeps_what_it_needs_itself(soft: int, hard: int, most: int) -> None:
    program = (
        "import resource; from windlass.serving.transport.connections import most_connections\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "print(most_connections(), resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == f"{most} ({hard}, {hard})\n"


def test_what_a_worker_holds_is_bounded_here_too(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    body = rows(served.stage)
    monkeypatch.setattr("windlass.serving.transport.http.MOST_BYTES_HELD", len(body) - 1)
    status, headers, told = served.ask("/flights/predict", body)
    assert (status, headers["retry-after"]) == (503, "1")
    assert "as many bodies as it can" in told["error"]
    assert len(body) < MOST_BYTES_HELD
    monkeypatch.undo()
    assert served.ask("/flights/predict", body)[0] == 200
    assert served.application.held.size == 0


def test_a_body_that_does_not_arrive_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "REQUEST_SECONDS", 0.3)
    assert served.say(request(rows(served.stage))[:-5], until=2).startswith(b"HTTP/1.1 408 ")
    assert served.short == []


def test_each_is_counted_and_timed(served: Served) -> None:
    for _ in range(3):
        served.ask("/flights/predict", rows(served.stage))
    served.ask("/flights/predict", b"{")
    told = 'windlass_http_requests_total{route="/{product}/predict",status="%d"}'
    assert (served.stage.metric(told % 200), served.stage.metric(told % 400)) == (3, 1)


def test_nobody_without_a_token_takes_it(flights: Any) -> None:
    flights.paths.tokens.write_bytes(b'{"tokens": []}')
    keyring = Keyring(flights.paths.tokens)
    keyring.look()
    with Served(flights, keyring) as served:
        assert served.ask("/flights/predict", rows(flights))[0] == 401
        assert served.ask("/flights/predict", rows(flights), Authorization="Bearer mine")[0] == 401
    assert served.short == []
    assert flights.captured == []


@pytest.mark.parametrize("short", [True, False])
def test_a_connection_that_nobody_uses_is_closed_and_its_answer_is_forgotten(served: Served, short: bool) -> None:
    served.server.config.timeout_keep_alive = 1
    body = rows(served.stage)
    with socket.create_connection(("127.0.0.1", served.port), 120) as connection:
        connection.sendall(request(body) if short else b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        found = b""
        while part := connection.recv(65536):
            found += part
    assert found.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" not in found, "it was kept for a while"
    assert len(served.short) == short
    assert served.server.server_state.tasks == set()
