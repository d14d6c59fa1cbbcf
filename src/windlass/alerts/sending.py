"""One attempt to deliver one message. It blocks, for at most some tens of seconds, so it belongs in a thread."""

from __future__ import annotations

import contextlib
import http.client
import smtplib
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from windlass.alerts import formats
from windlass.errors import WindlassError
from windlass.records.alert import QueuedAlert
from windlass.settings import Route

_PATIENCE = 10.0  # seconds for each answer of the receiver


class NotDelivered(Exception):
    """The receiver did not take it; the text shows neither address nor secret, since it goes into the ledger."""


class Refused(NotDelivered):
    """It is this message that the receiver does not take: another one it may."""


class Later(NotDelivered):
    """A server of mail took it for some receivers, and for others not yet, as greylisting does."""

    def __init__(self, what: str, *, left: tuple[str, ...]) -> None:
        super().__init__(what)
        self.left = left
        """Who is yet to get it; the others would get it twice."""


_REFUSED_HTTP = frozenset({400, 413, 422})
_REFUSED_SMTP = frozenset({552, 554})


def send(route: Route, queued: QueuedAlert, *, environment: Mapping[str, str]) -> str:
    """Deliver, and say what the receiver answered. Raises NotDelivered, Refused, or Later."""
    try:
        if route.kind == "email":
            return _mail(route, queued, environment)
        return _post(route, queued, environment)
    except (OSError, http.client.HTTPException, smtplib.SMTPException, ValueError, WindlassError) as error:
        refused = isinstance(error, urllib.error.HTTPError) and error.code in _REFUSED_HTTP
        refused |= isinstance(error, smtplib.SMTPResponseException) and error.smtp_code in _REFUSED_SMTP
        refused |= isinstance(error, smtplib.SMTPRecipientsRefused) and not _greylisted(error.recipients)
        raise (Refused if refused else NotDelivered)(_plain(error)) from error


_FORMATS: dict[str, Callable[[QueuedAlert], Any]] = {
    "webhook": formats.generic,
    "slack": formats.slack,
    "alertmanager": lambda queued: formats.alertmanager(queued, sent=datetime.now(UTC)),
}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET without its content, and count as delivered."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(route: Route, queued: QueuedAlert, environment: Mapping[str, str]) -> str:
    address = _address(route, environment)
    if urlsplit(address).scheme not in ("http", "https"):
        raise WindlassError("its address does not begin with http:// or https://")
    if route.kind == "alertmanager":
        address = f"{address.rstrip('/')}/api/v2/alerts"
    headers = {"Content-Type": "application/json", "User-Agent": "windlass", "Idempotency-Key": queued.alert}
    if route.token_from:
        headers["Authorization"] = f"Bearer {_secret(route.token_from, environment)}"
    request = urllib.request.Request(  # noqa: S310 (the scheme was looked at)
        address, data=msgspec.json.encode(_FORMATS[route.kind](queued)), headers=headers, method="POST"
    )
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(request, timeout=_PATIENCE) as answer:
        return f"HTTP {answer.status}"


def _mail(route: Route, queued: QueuedAlert, environment: Mapping[str, str]) -> str:
    server = urlsplit(_address(route, environment))
    if server.scheme not in ("smtp", "smtps") or not server.hostname:
        raise WindlassError("its address is not like smtp://HOST:PORT or smtps://HOST:PORT")
    mail = formats.email(queued, sender=route.sender, to=route.to, sent=datetime.now(UTC))
    context = ssl.create_default_context()
    connection = (
        smtplib.SMTP_SSL(server.hostname, server.port or 465, timeout=_PATIENCE, context=context)
        if server.scheme == "smtps"
        else smtplib.SMTP(server.hostname, server.port or 25, timeout=_PATIENCE)
    )
    try:
        connection.ehlo()
        safe = server.scheme == "smtps"
        if not safe and connection.has_extn("starttls"):
            connection.starttls(context=context)
            safe = True
        if route.password_from:
            if not safe:
                raise WindlassError("its server offers no encryption, so the password was not sent")
            connection.login(route.username, _secret(route.password_from, environment))
        refused = connection.send_message(mail)
        with contextlib.suppress(OSError, smtplib.SMTPException):  # the mail is taken, however the server ends the talk
            connection.quit()
    finally:
        connection.close()
    if left := _greylisted(refused):
        raise Later(f"accepted, but {len(left)} of {len(route.to)} receivers are to be tried later", left=left)
    # Who is refused for good would be refused again.
    return f"accepted, but for {len(refused)} of {len(route.to)} receivers" if refused else "accepted"


def _greylisted(refused: Mapping[str, tuple[int, bytes]]) -> tuple[str, ...]:
    """Who may get it later: SMTP's codes of 400 to 499 are passing."""
    return tuple(receiver for receiver, (code, _) in refused.items() if code < 500)


def _address(route: Route, environment: Mapping[str, str]) -> str:
    return route.url or _secret(route.url_from, environment)


def _secret(variable: str, environment: Mapping[str, str]) -> str:
    if not environment.get(variable):
        raise WindlassError(f"the environment variable {variable} is not set")
    return environment[variable]


def _plain(error: Exception) -> str:  # noqa: PLR0911 (a table)
    """What went wrong, without any text that may quote an address or an answer of the receiver."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        return _plain(error.reason)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"SMTP {error.smtp_code}: its server does not take the username and the password"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"SMTP {error.smtp_code}"
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = sorted({code for code, _ in error.recipients.values()})
        return f"none of its receivers is taken: SMTP {', '.join(map(str, codes))}"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "its server ended the connection"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); SSL_CERT_FILE names one of your own authority"
    if isinstance(error, WindlassError):
        return error.what
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "its host cannot be found"
    if isinstance(error, OSError) and error.strerror and not isinstance(error, ssl.SSLError):
        return error.strerror
    return type(error).__name__
