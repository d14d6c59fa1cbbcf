"""Messages leave in the formats of their receivers, to real servers of this machine; what fails shows no secret."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from msgspec.structs import replace

from windlass.alerts.formats import TRIAL
from windlass.alerts.sending import Later, NotDelivered, Refused, send
from windlass.records.alert import Matter, Message, QueuedAlert
from windlass.settings import Route

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MATTER = Matter(
    name="alarm-1",
    signal="decay",
    severity="critical",
    title="decay of v1",
    since=NOON,
    sure="The evidence is 215, and 115 raises an alarm.",
    cause="The mean loss is <0.4> & rising.",
    remedy="run `windlass train`",
)
QUEUED = QueuedAlert(
    alert="alert-1",
    route="ops",
    message=Message(product="p", matters=(MATTER,), done=("v2 is being released.",), look=("windlass alarms",)),
)


class Server:
    """Answers every POST with `status`, and keeps what came."""

    def __init__(self) -> None:
        self.status = 200
        self.got: list[tuple[str, Any, Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.got.append((self.path, self.headers, body))
                self.send_response(server.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/secret-path"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    threading.Thread(target=made.http.serve_forever, daemon=True).start()
    yield made
    made.http.shutdown()
    made.http.server_close()


def test_slack_gets_blocks_with_its_characters_escaped(server: Server) -> None:
    assert send(Route(kind="slack", url_from="HOOK"), QUEUED, environment={"HOOK": server.url}) == "HTTP 200"
    ((_, _, body),) = server.got
    assert body["text"] == "[CRITICAL] p: decay of v1"
    assert [block["type"] for block in body["blocks"]] == ["header", "section", "section", "section", "context"]
    assert "&lt;0.4&gt; &amp; rising" in body["blocks"][1]["text"]["text"]


def test_alertmanager_gets_one_alert_a_matter_which_the_same_labels_end(server: Server) -> None:
    route = Route(kind="alertmanager", url=server.url, token_from="T")
    over = replace(QUEUED, message=replace(QUEUED.message, matters=(replace(MATTER, over=NOON.replace(hour=13)),)))
    for each in (QUEUED, over):
        send(route, each, environment={"T": "tok"})
    (path, headers, (first,)), (_, _, (second,)) = server.got
    assert path == "/secret-path/api/v2/alerts"
    assert headers["Authorization"] == "Bearer tok"
    assert first["labels"] == second["labels"]
    assert (first["startsAt"], first["endsAt"] > second["endsAt"]) == ("2026-03-01T12:00:00+00:00", True)
    assert second["endsAt"] == "2026-03-01T13:00:00+00:00"
    assert datetime.fromisoformat(first["endsAt"]) > datetime.now(UTC) + timedelta(days=364), "however old it is"


def test_a_message_that_tries_a_route_of_alertmanager_is_open_for_some_minutes(server: Server) -> None:
    tried = replace(QUEUED, message=replace(QUEUED.message, matters=(replace(MATTER, signal=TRIAL),)))
    send(Route(kind="alertmanager", url=server.url), tried, environment={})
    ((_, _, (alert,)),) = server.got
    left = datetime.fromisoformat(alert["endsAt"]) - datetime.now(UTC)
    assert timedelta(minutes=4) < left <= timedelta(minutes=5)


@pytest.mark.parametrize("status", [302, 400, 404, 413, 429, 500])
def test_an_answer_other_than_success_is_a_failure_that_does_not_show_the_address(server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(NotDelivered) as caught:
        send(Route(kind="webhook", url=server.url), QUEUED, environment={})
    assert str(caught.value) == f"HTTP {status}"
    assert isinstance(caught.value, Refused) is (status in (400, 413))


@pytest.mark.parametrize(
    ("route", "told"),
    [
        (Route(kind="webhook", url="http://127.0.0.1:1/secret"), "Connection refused"),
        (Route(kind="webhook", url="file:///etc/passwd"), "its address does not begin with http:// or https://"),
        (Route(kind="webhook", url_from="UNSET"), "the environment variable UNSET is not set"),
        (Route(kind="webhook", url="http://h:secret"), "InvalidURL"),
        (Route(kind="email", url="http://h"), "its address is not like smtp://HOST:PORT or smtps://HOST:PORT"),
    ],
)
def test_what_cannot_be_reached_is_told_without_its_address(route: Route, told: str) -> None:
    with pytest.raises(NotDelivered) as caught:
        send(route, QUEUED, environment={})
    assert str(caught.value) == told


class Mailbox:
    """Takes mail for whom it has no `codes`; with `rude` it ends the talk by an error."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.codes: dict[str, int] = {}
        self.rude = False

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address in self.codes:
            return f"{self.codes[address]} not now"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_QUIT(self, _server: Any, _session: Any, _envelope: Any) -> str:
        return "421 busy" if self.rude else "221 Bye"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.got.append(envelope)
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, f"smtp://127.0.0.1:{port}"
    controller.stop()


def test_a_mail_arrives_and_no_password_goes_over_an_open_line(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    route = Route(kind="email", url=url, sender="windlass@example.org", to=("a@example.org", "b@example.org"))
    assert send(route, QUEUED, environment={}) == "accepted"
    (envelope,) = box.got
    mail = message_from_bytes(envelope.content)
    assert envelope.rcpt_tos == ["a@example.org", "b@example.org"]
    assert mail["Message-ID"] == "<alert-1@example.org>"
    assert mail["Subject"] == "[CRITICAL] p: decay of v1"
    assert abs(parsedate_to_datetime(mail["Date"]) - datetime.now(UTC)) < timedelta(hours=1)
    text = mail.get_payload(decode=True).decode()
    for part in (MATTER.sure, MATTER.cause, "since: 2026-03-01 12:00 UTC", "v2 is being released.", "windlass alarms"):
        assert part in text
    with pytest.raises(NotDelivered, match="no encryption"):
        send(replace(route, username="u", password_from="P"), QUEUED, environment={"P": "hidden"})
    assert len(box.got) == 1


def mail_route(url: str) -> Route:
    return Route(kind="email", url=url, sender="windlass@example.org", to=("a@example.org", "b@example.org"))


def test_whom_a_mail_server_puts_off_is_named_and_whom_it_refuses_is_not_asked_again(
    mailbox: tuple[Mailbox, str],
) -> None:
    box, url = mailbox
    box.codes = {"b@example.org": 450}
    with pytest.raises(Later, match="1 of 2 receivers are to be tried later") as caught:
        send(mail_route(url), QUEUED, environment={})
    assert caught.value.left == ("b@example.org",)
    box.codes = {"b@example.org": 550}
    assert send(mail_route(url), QUEUED, environment={}) == "accepted, but for 1 of 2 receivers"
    assert [envelope.rcpt_tos for envelope in box.got] == [["a@example.org"], ["a@example.org"]]


@pytest.mark.parametrize(("code", "refused"), [(450, False), (550, True)])
def test_a_mail_that_no_receiver_may_get_is_refused_or_put_off(
    mailbox: tuple[Mailbox, str], code: int, refused: bool
) -> None:
    box, url = mailbox
    box.codes = {"a@example.org": code, "b@example.org": code}
    with pytest.raises(NotDelivered, match=f"none of its receivers is taken: SMTP {code}") as caught:
        send(mail_route(url), QUEUED, environment={})
    assert isinstance(caught.value, Refused) is refused
    assert box.got == []


def test_a_mail_that_was_taken_is_delivered_however_the_talk_ends(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    box.rude = True
    assert send(mail_route(url), QUEUED, environment={}) == "accepted"
    assert len(box.got) == 1
