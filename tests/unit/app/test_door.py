"""Serving goes on beside the loop: at once, or as soon as the address is free."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest

from windlass.app import door as module
from windlass.app.door import Door, products_at
from windlass.errors import EngineError, UsageError
from windlass.serving.supervisor import ServingEvent


class Served:
    """A server whose address is taken for a number of tries."""

    url = "http://here:8080"

    def __init__(self, *, taken: int = 0, fails: bool = False) -> None:
        self.taken = taken
        self.fails = fails
        self.did: list[str] = []
        self.started = threading.Event()
        self.hear: Callable[[ServingEvent], None] = lambda _event: None

    def __call__(self, hear: Callable[[ServingEvent], None]) -> Served:
        self.hear = hear
        return self

    def bind(self) -> None:
        if self.taken:
            self.taken -= 1
            raise UsageError("cannot listen on here:8080: Address already in use")
        self.did.append("bound")

    def start(self) -> None:
        if self.fails:
            self.started.set()
            raise EngineError("the serving workers did not start")
        self.did.append("started")
        self.started.set()

    def stop(self, *, meanwhile: Callable[[], None]) -> None:
        self.did.append("stopped")
        meanwhile()


class Hall:
    """A door, and all that it says."""

    def __init__(self, served: Served, ask: Callable[[str], Collection[str] | None] = lambda _url: None) -> None:
        self.served = served
        self.said: list[str] = []
        self.heard: list[ServingEvent] = []
        self.door = Door(served, products=["flights"], say=self.said.append, ask=ask)

    def listen(self) -> None:
        self.door.listen(self.heard.append)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.heard]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AGAIN", 0.001)


def close(hall: Hall) -> None:
    hall.door.close()
    assert hall.served.did[-1] == "stopped"


def test_it_serves_while_other_things_are_done_and_opens_once() -> None:
    hall = Hall(Served())
    hall.listen()
    hall.door.open(patient=True)
    hall.door.open(patient=False)
    assert hall.served.started.wait(120)
    close(hall)
    assert hall.served.did.count("started") == 1
    assert hall.said in ([], ["windlass: serving on http://here:8080 (flights)"])


def test_an_address_that_is_taken_ends_who_does_not_wait_for_it() -> None:
    hall = Hall(Served(taken=1))
    with pytest.raises(UsageError, match="Address already in use"):
        hall.door.open(patient=False)
    assert hall.served.did == []


def test_an_address_that_is_taken_is_waited_for_and_told_once() -> None:
    hall = Hall(Served(taken=4))
    hall.listen()
    hall.door.open(patient=True)
    assert hall.served.started.wait(120)
    hall.door._thread.join()  # type: ignore[union-attr]
    assert hall.kinds == ["unheard"] * 4 + ["heard"]
    assert hall.said == [
        "windlass: cannot listen on here:8080: Address already in use; waiting for it, "
        "and nobody answers there meanwhile",
        "windlass: serving on http://here:8080 (flights)",
    ]
    close(hall)


def test_while_another_process_of_the_workspace_answers_there_all_is_well() -> None:
    answers = iter([{"flights", "trains"}, {"flights"}, {"trains"}])
    hall = Hall(Served(taken=3), ask=lambda _url: next(answers))
    hall.listen()
    hall.door.open(patient=True)
    assert hall.served.started.wait(120)
    hall.door._thread.join()  # type: ignore[union-attr]
    assert hall.kinds == ["heard", "heard", "unheard", "heard"]  # the third one is of another workspace
    assert "served by another process of this workspace" in hall.said[0]
    close(hall)


def test_it_leaves_while_it_waits() -> None:
    hall = Hall(Served(taken=10**9))
    hall.door.open(patient=True)
    close(hall)
    assert hall.served.did == ["stopped"]


def test_workers_that_do_not_start_are_told_to_whoever_asks() -> None:
    hall = Hall(Served(fails=True))
    hall.door.open(patient=True)
    hall.door._thread.join()  # type: ignore[union-attr]
    assert hall.door.failed
    with pytest.raises(EngineError, match="did not start"):
        hall.door.check()


def test_who_comes_to_listen_hears_what_still_matters() -> None:
    served = Served()
    hall = Hall(served)

    def tell(kind: Any, worker: str, product: str = "", detail: str = "") -> None:
        served.hear(ServingEvent(kind=kind, worker=worker, product=product, detail=detail))

    tell("ready", "w0")
    tell("refused", "w0", "flights", "v2")
    tell("serving", "w0", "flights", "v1 as champion")
    tell("refused", "w0", "flights", "v3")
    tell("refused", "w1", "flights", "v2")
    tell("unheard", "", detail="http://here:8080")
    tell("heard", "", detail="http://here:8080")
    tell("died", "w1")
    hall.listen()
    assert [(event.kind, event.worker, event.detail) for event in hall.heard] == [
        ("serving", "w0", "v1 as champion"),
        ("refused", "w0", "v3"),
        ("heard", "", "http://here:8080"),
    ]
    tell("died", "w0")
    assert hall.kinds[-1] == "died"
    hall.door.listen(None)
    tell("ready", "w0")
    assert hall.kinds[-1] == "died"


# -- who answers at an address -----------------------------------------------------------------------------------------


@pytest.fixture
def answering() -> Iterator[Callable[[int, bytes], str]]:
    servers: list[http.server.HTTPServer] = []

    def answer(status: int, body: bytes) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing on standard error."""

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield answer
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_server_of_ours_is_known_by_its_products(answering: Callable[[int, bytes], str]) -> None:
    ready = json.dumps({"ready": True, "products": {"flights": {}, "trains": {}}}).encode()
    assert products_at(answering(200, ready)) == {"flights", "trains"}
    assert products_at(answering(503, ready)) == {"flights", "trains"}  # it answers, though it is not ready
    for other in (b"", b"hello", b"{}", b'{"products": 3}', b"[]"):
        assert products_at(answering(200, other)) is None


def test_nobody_answers_where_nobody_listens() -> None:
    assert products_at("http://127.0.0.1:1") is None


def test_one_that_accepts_and_says_nothing_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(module, "_ANSWER", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as frozen:  # the kernel accepts for it
        assert products_at(f"http://127.0.0.1:{frozen.getsockname()[1]}") is None
