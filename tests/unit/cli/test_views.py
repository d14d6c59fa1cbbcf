"""What a person sees in a terminal of eighty columns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from windlass.cli import output, views
from windlass.cli.entries import Entry, print_entries
from windlass.cli.output import ago, say

NOON = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)
RUN = "run-1m8aqbe3rtxch4fc3x3"
LONG = "The column mean_smoothness has shifted: PSI 2.92, 35% of the values new to the reference, and much more."


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_PIPE_WIDTH", 80)


def seen(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines)) <= 80, "\n".join(lines)
    return lines


def status_row(**fields: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(
        ["release", "experiment", "run", "alarms", "paused", "next", "loop", "answers_with"]
    )
    known = {"product": "shop", "champion": "v2", "since": NOON, "incidents": 0, "watched_against": "its rows"}
    return row | known | fields


def run_row(**fields: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(["name", "gate", "version", "seconds", "remarks", "error", "remedy"])
    known = {"run": RUN, "product": "shop", "trigger": "manual", "started": NOON, "reason": "root: by hand"}
    return row | known | {"outcome": "running"} | fields


def test_status_says_what_there_is_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    views.show_status(
        [status_row(), status_row(product="new", champion=None, since=None)], now=NOON + timedelta(hours=2)
    )
    assert seen(capsys) == [
        "Products",
        "shop",
        "    champion         v2, since 2026-03-01 12:34 UTC (2 hours ago)",
        "    watched against  its rows",
        "    loop             nobody runs it: `windlass up`",
        "new",
        "    champion         none yet",
        "    watched against  its rows",
        "    loop             nobody runs it: `windlass up`",
    ]
    views.show_status([status_row(incidents=2, loop="host-1", alarms="drift", next=LONG)], now=NOON)
    lines = seen(capsys)
    assert "    incidents        2 open: see `windlass incidents`" in lines
    assert "    loop             run by host-1" in lines
    assert any("(just now)" in line for line in lines)


def test_runs_fit_and_say_why_one_failed(capsys: pytest.CaptureFixture[str]) -> None:
    failed = run_row(outcome="failed in extract", error=LONG, remedy="mend it")
    views.show_runs([run_row(outcome="registered", version="v1", seconds=17.32), failed])
    lines = seen(capsys)
    assert lines[1].split() == ["started", "(UTC)", "run", "outcome", "took"]
    assert lines[2] == f"2026-03-01 12:34  {RUN}  registered v1      17.3 s"
    assert lines[3] == "    manual  root: by hand"
    assert [line.split()[0] for line in lines[4:] if line.startswith("    ") and line[4] != " "] == [
        "manual",
        "why",
        "remedy",
    ]


def test_the_product_is_named_only_where_there_are_several(capsys: pytest.CaptureFixture[str]) -> None:
    views.show_runs([run_row()])
    assert "shop" not in "".join(seen(capsys))
    views.show_runs([run_row(), run_row(product="other")])
    assert "other" in "".join(seen(capsys))


def test_releases_alarms_and_incidents_fit(capsys: pytest.CaptureFixture[str]) -> None:
    release = {
        "release": "release-1m8anhtk2s6bd5cxwqe",
        "product": "shop",
        "version": "v2",
        "previous": "v1",
        "started": NOON,
        "stages": ["shadow", "canary 5%", "canary 25%", "probation"],
        "outcome": "rolled back",
        "reason": LONG,
    }
    views.show_releases([release, release | {"previous": None, "stages": []}])
    lines = seen(capsys)
    assert lines[2] == "2026-03-01 12:34  v2 instead of v1  rolled back"
    assert lines[3] == "    stages   shadow, then canary 5%, then canary 25%, then probation"
    alarm = {"alarm": "a", "product": "shop", "signal": "drift", "version": "v2", "raised": NOON, "cleared": None}
    views.show_alarms([alarm | {"reason": LONG, "likely": None}])
    assert seen(capsys)[2] == "2026-03-01 12:34  drift of v2  open"
    views.show_alarms([alarm | {"signal": "service", "version": None, "reason": LONG, "likely": None}])
    assert seen(capsys)[2] == "2026-03-01 12:34  service  open"  # the product's, whoever answers
    incident = {"incident": "i", "product": "shop", "opened": NOON, "title": "training failed", "cause": LONG}
    still = {"closed": None, "remedy": "mend it", "resolution": None}
    over = {"closed": NOON, "remedy": "mend it", "resolution": "it was mended"}
    views.show_incidents([incident | still, incident | over])
    lines = seen(capsys)
    assert sum("remedy" in line for line in lines) == 1  # who looks at what is over needs none
    assert "    closed  it was mended" in lines


def test_the_tables_of_the_lake_fit(capsys: pytest.CaptureFixture[str]) -> None:
    table = {"product": "shop", "table": "examples/rows", "rows": 1_234_567, "bytes": 49_208_000}
    empty = {"product": "shop", "table": "outcomes", "rows": 0, "bytes": 0, "first": None, "last": None}
    views.show_tables([table | {"first": NOON, "last": NOON}, empty])
    lines = seen(capsys)
    assert lines[2].split()[:4] == ["examples/rows", "1,234,567", "49.2", "MB"]
    assert lines[2].endswith("2026-03-01 12:34  2026-03-01 12:34")
    assert lines[3].split() == ["outcomes", "0", "0.0", "MB"]


def test_versions_show_the_metric_they_were_judged_by(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"version": "v1", "role": "champion", "registered": NOON, "run": RUN, "metric": "roc_auc"}
    row |= {"metrics": {"accuracy": 0.5, "roc_auc": 0.98765}}
    views.show_versions([row, row | {"run": None, "metric": None, "metrics": {}}])
    lines = seen(capsys)
    assert lines[2] == f"v1       champion  2026-03-01 12:34  roc_auc 0.9877  {RUN}"
    assert lines[3].endswith("imported")


def test_events_are_told_under_their_day_and_people_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    def event(kind: str, actor: str, what: str, at: datetime, product: str | None = "shop") -> dict[str, Any]:
        return {"sequence": 1, "at": at, "product": product, "kind": kind, "actor": actor, "what": what}

    rows = [
        event("workspace.created", "ada", "workspace made", NOON, None),
        event("command.requested", "ada", "asked to train: now", NOON),
        event("alarm.raised", "controller", LONG, NOON + timedelta(days=1)),
    ]
    views.show_events(rows)
    lines = seen(capsys)
    assert lines[:4] == [
        "2026-03-01 (UTC)",
        "12:34:56        workspace made",
        "12:34:56  shop  ada asked to train: now",
        "2026-03-02 (UTC)",
    ]
    assert lines[5].startswith(" " * 16)  # what does not fit goes on below itself
    views.show_event(rows[1])
    assert seen(capsys) == ["2026-03-01 12:34:56  shop  ada asked to train: now"]


@pytest.mark.parametrize(
    ("show", "said"),
    [
        (views.show_versions, "no version has been registered yet"),
        (views.show_runs, "nothing has run yet"),
        (views.show_releases, "nothing has been released yet"),
        (views.show_alarms, "no alarm has been raised"),
        (views.show_incidents, "no incident has been opened"),
        (views.show_events, "nothing has happened yet"),
    ],
)
def test_nothing_is_said_in_words(show: Any, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    show([])
    assert seen(capsys) == [said]


@pytest.mark.parametrize(
    ("past", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(milliseconds=900), "just now"),
        (timedelta(seconds=1), "1 second ago"),
        (timedelta(seconds=119), "1 minute ago"),
        (timedelta(minutes=59), "59 minutes ago"),
        (timedelta(hours=26), "1 day ago"),
        (timedelta(days=400), "400 days ago"),
    ],
)
def test_how_long_ago_is_told_in_the_largest_unit(past: timedelta, words: str) -> None:
    assert ago(NOON, NOON + past) == words


def test_moments_are_told_in_utc_wherever_they_come_from() -> None:
    assert say(NOON.astimezone(None)) == say(NOON) == say(NOON.replace(tzinfo=None)) == "2026-03-01 12:34:56 UTC"


def test_what_is_said_below_is_broken_between_words_and_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    said = (("why", f"{'word ' * 14}a-name-with-hyphens"), ("key", "k" * 100), ("remedy", "one\n\ntwo"), ("no", None))
    print_entries([Entry(head=("h" * 79,)), Entry(head=("short",), more=said)], title="", empty="")
    assert seen(capsys) == [
        "h" * 79,
        "short",
        f"    why     {'word ' * 13}".rstrip(),
        "            word a-name-with-hyphens",
        f"    key     {'k' * 68}",
        f"            {'k' * 32}",
        "    remedy  one",
        "",
        "            two",
    ]


def test_a_pipe_gets_plain_text_and_a_terminal_styles(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Entry(head=("shop",), more=(("loop", "nobody runs it, and so it stands still"),))
    print_entries([entry], title="Products", empty="")
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "30")
    print_entries([entry], title="Products", empty="")
    assert capsys.readouterr().out.splitlines() == [
        "\x1b[1mProducts\x1b[0m",
        "shop",
        "    \x1b[2mloop\x1b[0m  nobody runs it, and",
        "          so it stands still",
    ]
