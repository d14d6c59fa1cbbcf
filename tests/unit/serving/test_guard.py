"""Tokens: on every route, by scope, taken back at once; and who cannot be told apart is not let in."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from windlass.records.capture import MeasurementBatch
from windlass.records.token import SCOPES, Scope, Token, Tokens
from windlass.serving.app import Application
from windlass.serving.transport.guard import Keyring, scopes_for

OUTCOMES = {"outcomes": [{"key": "f1", "value": True}]}


class Guarded:
    """A worker that asks for tokens; the secret of a token is `secret of <scopes>`."""

    def __init__(self, stage: Any) -> None:
        self.stage = stage
        self.path = stage.paths.tokens
        self.keyring = Keyring(self.path)
        self.client = TestClient(Application(stage.parts, keyring=self.keyring), raise_server_exceptions=False)

    def let_in(self, *scopes: tuple[Scope, ...]) -> None:
        tokens = tuple(
            Token(token=f"token-{number}", holder="ada", scopes=each, digest=hashlib.sha256(secret(*each)).hexdigest())
            for number, each in enumerate(scopes)
        )
        staged = self.path.with_suffix(".new")
        staged.write_bytes(msgspec.json.encode(Tokens(tokens=tokens)))
        staged.replace(self.path)
        self.keyring.look()

    def status(self, method: str, path: str, *scopes: Scope, body: Any = None) -> int:
        headers = {"Authorization": f"Bearer {secret(*scopes).decode()}"} if scopes else {}
        return int(self.client.request(method, path, headers=headers, json=body).status_code)


def secret(*scopes: str) -> bytes:
    return f"secret of {'-'.join(scopes)}".encode()


@pytest.fixture
def guarded(flights: Any) -> Any:
    made = Guarded(flights)
    with made.client:
        made.let_in(*((scope,) for scope in SCOPES))
        yield made


def test_every_route_asks_for_a_token_but_the_one_that_says_nothing(guarded: Guarded) -> None:
    routes = [route for route in guarded.stage.client.app.routed.routes if isinstance(route, Route)]
    assert len(routes) > 15
    for route in routes:
        path = route.path.replace("{product}", "flights").replace("{name}", "flights").replace("{version}", "v1")
        for method in route.methods or ():
            expected = 200 if path in ("/livez", "/readyz") else 401
            assert guarded.status(method, path) == expected, (method, path)
    assert guarded.status("GET", "/nothing/here") == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "allowed"),
    [
        ("POST", "/flights/predict", {"rows": [{}]}, {"predict", "admin"}),
        ("POST", "/flights/invocations", {"instances": []}, {"predict", "admin"}),
        ("POST", "/v2/models/flights/infer", {"inputs": []}, {"predict", "admin"}),
        ("POST", "/flights/outcomes", OUTCOMES, {"operate", "admin"}),
        ("GET", "/metrics", None, {"observe", "admin"}),
        ("GET", "/", None, {"observe", "admin"}),
        ("GET", "/openapi.json", None, {"predict", "observe", "admin"}),
        ("GET", "/v2/models/flights", None, {"predict", "observe", "admin"}),
    ],
)
def test_a_token_opens_what_its_scopes_say(
    guarded: Guarded, method: str, path: str, body: Any, allowed: set[str]
) -> None:
    for scope in SCOPES:
        status = guarded.status(method, path, scope, body=body)
        assert (status == 403) == (scope not in allowed), (scope, status)


def test_who_has_no_token_learns_whether_all_is_ready_and_no_more(guarded: Guarded) -> None:
    assert guarded.client.get("/readyz").json() == {"ready": True, "products": {"flights": {}}}
    told = guarded.client.get("/readyz", headers={"Authorization": f"Bearer {secret('observe').decode()}"}).json()
    assert told["products"]["flights"]["champion"] == "v1"


def test_a_refused_outcome_is_not_captured(guarded: Guarded) -> None:
    assert guarded.status("POST", "/flights/outcomes", "predict", body=OUTCOMES) == 403
    assert guarded.stage.outcomes == []
    assert guarded.status("POST", "/flights/outcomes", "operate", body=OUTCOMES) == 202


def test_by_whom_outcomes_and_measurements_were_sent_is_kept(guarded: Guarded) -> None:
    measured = {"measurements": [{"key": "f1", "metric": "orders", "value": 1.5}]}
    for scope in ("operate", "admin"):
        assert guarded.status("POST", "/flights/outcomes", scope, body=OUTCOMES) == 202
        assert guarded.status("POST", "/flights/measurements", scope, body=measured) == 202
    names = [f"token-{SCOPES.index(scope)}" for scope in ("operate", "admin")]
    assert [batch.actor for batch in guarded.stage.outcomes] == names
    assert [batch.actor for batch in guarded.stage.sink.batches if isinstance(batch, MeasurementBatch)] == names


def test_a_server_that_asks_for_no_token_says_nothing_of_who_sent_them(flights: Any) -> None:
    assert flights.client.post("/flights/outcomes", json=OUTCOMES).status_code == 202
    assert [batch.actor for batch in flights.outcomes] == [None]


def test_a_token_may_have_several_scopes_and_is_taken_back_at_once(guarded: Guarded) -> None:
    guarded.let_in(("predict", "observe"))
    assert guarded.status("GET", "/metrics", "predict", "observe") == 200
    assert guarded.status("GET", "/metrics", "admin") == 401
    guarded.let_in()
    assert guarded.status("GET", "/metrics", "predict", "observe") == 401


@pytest.mark.parametrize("content", [b"", b"{}x", b'{"tokens": 1}', None])
def test_where_the_tokens_cannot_be_read_nobody_is_let_in(guarded: Guarded, content: bytes | None) -> None:
    guarded.path.unlink()
    if content is not None:
        guarded.path.write_bytes(content)
    guarded.keyring.look()
    assert guarded.status("GET", "/metrics", "admin") == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "secret of admin", "Bearer \xff\xfe"])
def test_a_header_that_is_no_token_is_refused_and_told_what_to_send(guarded: Guarded, header: str) -> None:
    reply = guarded.client.get("/metrics", headers=[(b"authorization", header.encode("latin-1"))])
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert "token" in reply.json()["error"]
    assert "secret of" not in reply.text


def test_refusals_are_counted_and_name_no_secret(guarded: Guarded) -> None:
    guarded.status("GET", "/metrics")
    reply = guarded.client.get("/metrics", headers={"Authorization": f"Bearer {secret('admin').decode()}"})
    assert 'windlass_http_requests_total{route="unmatched",status="401"}' in reply.text


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example.", "a.b:c", "\xff.a"],
)
def test_without_tokens_a_page_whose_domain_leads_to_this_machine_is_turned_away(flights: Any, host: str) -> None:
    routes = [route for route in flights.client.app.routed.routes if isinstance(route, Route)]
    for route in routes:
        path = route.path.replace("{product}", "flights").replace("{name}", "flights").replace("{version}", "v1")
        for method in route.methods or ():
            reply = flights.client.request(method, path, headers=[(b"host", host.encode("latin-1"))])
            assert reply.status_code == (200 if path == "/livez" else 421), (method, path)
    assert "demand_tokens = true" in flights.client.get("/readyz", headers={"Host": "evil.example"}).json()["error"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8080", "[::1]:8080", "[::1]", "localhost", "LOCALHOST:1", "app.localhost:8080", "windlass:80", ""],
)
def test_whoever_means_this_machine_is_answered(flights: Any, host: str) -> None:
    assert flights.client.get("/readyz", headers={"Host": host}).status_code == 200


def test_with_tokens_any_name_will_do(guarded: Guarded) -> None:
    headers = {"Host": "models.example", "Authorization": f"Bearer {secret('observe').decode()}"}
    assert guarded.client.get("/metrics", headers=headers).status_code == 200


def test_every_scope_is_needed_somewhere() -> None:
    asked = {
        scope for path in ("/", "/a/predict", "/a/outcomes") for m in ("GET", "POST") for scope in scopes_for(m, path)
    }
    assert asked | {"admin"} == {*SCOPES}
