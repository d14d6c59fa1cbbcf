"""The shapes in which receivers take a message. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any

from windlass.alerts.message import severity_of, subject_of, text_of
from windlass.records.alert import Matter, Message, QueuedAlert

_LONGEST_SECTION, _LONGEST_HEADER = 2900, 150  # characters that Slack takes: 3000 and 150
_LASTS = timedelta(days=365)
"""From when it is sent. Alertmanager counts an alert without an end as over after a few minutes, unless it is sent
again and again."""


TRIAL = "test"
"""The signal of a message that only tries a route: whoever is told of what is over already would not be told."""
_TRIAL_LASTS = timedelta(minutes=5)


def generic(queued: QueuedAlert) -> dict[str, Any]:
    """Every field of the message, and its text."""
    message = queued.message
    lasting = any(matter.over is None for matter in message.matters)
    return {
        "id": queued.alert,
        "status": "open" if lasting else "over",
        "severity": severity_of(message),
        "subject": subject_of(message),
        "product": message.product,
        "matters": message.matters,
        "done": message.done,
        "look": message.look,
        "text": text_of(message),
    }


def slack(queued: QueuedAlert) -> dict[str, Any]:
    """A message of blocks, with `text` for notifications."""
    message = queued.message
    subject = subject_of(message)
    sections = [_section(_escaped(text)) for text in text_of(message).split("\n\n")[1:]]
    header = {"type": "header", "text": {"type": "plain_text", "text": subject[:_LONGEST_HEADER]}}
    context = {"type": "context", "elements": [{"type": "mrkdwn", "text": queued.alert}]}
    most = 47  # of 50 blocks; what is left out is in the ledger
    return {"text": _escaped(subject), "blocks": [header, *sections[:most], context]}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_LONGEST_SECTION]}}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def alertmanager(queued: QueuedAlert, *, sent: datetime) -> list[dict[str, Any]]:
    """One alert for each matter; the same labels with an earlier `endsAt` end it."""
    return [_labelled(queued.message, matter, sent) for matter in queued.message.matters]


def _labelled(message: Message, matter: Matter, sent: datetime) -> dict[str, Any]:
    return {
        "labels": {
            "alertname": f"Windlass{matter.signal.capitalize()}",
            "product": message.product,
            "severity": matter.severity,
            "matter": matter.name,
        },
        "annotations": {
            "summary": f"{message.product}: {matter.title}",
            "description": f"{matter.cause} {matter.sure}",
            "remedy": matter.remedy,
            "done": " ".join(message.done),
            "look": "; ".join(message.look),
        },
        "startsAt": matter.since.isoformat(),
        "endsAt": (matter.over or sent + (_TRIAL_LASTS if matter.signal == TRIAL else _LASTS)).isoformat(),
    }


def email(queued: QueuedAlert, *, sender: str, to: tuple[str, ...], sent: datetime) -> EmailMessage:
    """Plain text; the id of the alert is that of the mail too, so that a repetition can be told."""
    mail = EmailMessage()
    mail["Subject"] = subject_of(queued.message)
    mail["From"], mail["To"] = sender, ", ".join(to)
    mail["Date"] = sent
    mail["Message-ID"] = f"<{queued.alert}@{Address(addr_spec=sender).domain or 'windlass'}>"
    mail["X-Windlass-Alert"] = queued.alert
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text_of(queued.message))
    return mail
