"""Ten months of flights in three minutes: a model is trained, released, served, watched, retrained and released again.

    python examples/flights/demo.py [--until 2013-07-01] [--days-per-second 6]

History is January and February. From March on, every hour's departures are sent over HTTP and what became of them is
posted a day later, under a scaled clock that all parts share. Nothing is computed beforehand, and nobody touches the
loop: this script only plays the outside world.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from shutil import rmtree

import data
import polars as pl
from report import Scores, score, write_page
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from windlass.app.describe import describe
from windlass.app.workspace import Workspace
from windlass.clock import SharedClock
from windlass.records import event as events
from windlass.settings import load_settings

HERE = Path(__file__).parent
PRODUCT = "flight-delays"
START = datetime(2013, 3, 1, tzinfo=UTC)
LABEL_DELAY = timedelta(days=1)
SLOWER = 8
"""How many times slower the clock goes while a model trains, or a version is asked in shadow."""
IN_SHADOW = {"shadow": 500, "probation": 400}
"""Answers in shadow until which a stage has it go slower: a process begins for them, and is given 100 rows a second."""
LONGEST, LOOK = 180.0, 0.5
"""Real seconds that these are waited for at most, and between two looks."""
SHOWN = (
    events.RunStarted,
    events.RunFinished,
    events.RunFailed,
    events.GateDecided,
    events.ReleaseAdvanced,
    events.ReleaseFinished,
    events.ChampionChanged,
    events.AlarmRaised,
    events.AlarmCleared,
)


class Caller:
    """One client of the server, with a connection of its own."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)
        self.requests = 0

    def post(self, route: str, body: dict[str, object]) -> dict[str, list[dict[str, str]]]:
        payload = json.dumps(body, default=datetime.isoformat)
        self._connection.request("POST", f"/{PRODUCT}/{route}", payload, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        content = response.read()
        if response.status >= 300:
            raise SystemExit(f"/{PRODUCT}/{route} answered {response.status}: {content.decode()[:500]}")
        self.requests += 1
        parsed: dict[str, list[dict[str, str]]] = json.loads(content)
        return parsed


class World:
    """Departures and their outcomes, hour by hour, over HTTP; who reports outcomes is not who asks for predictions."""

    def __init__(self, port: int, until: datetime) -> None:
        frame = data.departures().filter(pl.col("scheduled").is_between(START, until, closed="left"))
        self.rows = frame.height
        self._hours = deque(
            (hour, group)
            for (hour,), group in frame.with_columns(hour=pl.col("scheduled").dt.truncate("1h")).group_by(
                "hour", maintain_order=True
            )
        )
        self._due: deque[tuple[datetime, list[dict[str, object]]]] = deque()
        self._asking, self._reporting = Caller(port), Caller(port)
        self._reporter = ThreadPoolExecutor(1)
        self._reported: Future[object] | None = None
        self.sent = self.outcomes = 0
        self.last_prediction = ""

    @property
    def over(self) -> bool:
        return not self._hours

    @property
    def requests(self) -> int:
        return self._asking.requests + self._reporting.requests

    def next_hour(self) -> datetime:
        return self._hours[0][0]

    def play(self) -> None:
        """Send the departures of the next hour, and the outcomes that are known by then."""
        hour, group = self._hours.popleft()
        outcomes: list[dict[str, object]] = []
        while self._due and self._due[0][0] <= hour:
            outcomes += self._due.popleft()[1]
        if outcomes:
            self.wait_for_reports()
            self._reported = self._reporter.submit(self._reporting.post, "outcomes", {"outcomes": outcomes})
            self.outcomes += len(outcomes)
        answer = self._asking.post("predict", {"rows": group.drop("late", "hour").to_dicts()})
        if len(answer["predictions"]) != group.height:
            raise SystemExit(f"asked for {group.height} predictions, got {len(answer['predictions'])}")
        self.last_prediction = answer["predictions"][-1]["id"]
        known = [
            {"key": key, "value": late, "observed_at": (at + LABEL_DELAY).isoformat()}
            for key, late, at in group.select("flight_id", "late", "scheduled").iter_rows()
            if late is not None
        ]
        if known:
            self._due.append((hour + timedelta(hours=1) + LABEL_DELAY, known))
        self.sent += group.height

    def wait_for_reports(self) -> None:
        """Until what was reported last has been accepted."""
        if self._reported is not None:
            self._reported.result()


class Pace:
    """How fast the shared clock goes."""

    def __init__(self, clock: SharedClock, *, usual: float) -> None:
        self._clock = clock
        self._usual = usual
        self._moved = time.monotonic()
        self.slow = False
        """Something happens that takes real seconds."""

    @property
    def days_per_second(self) -> float:
        return self._usual / SLOWER if self.slow else self._usual

    def move(self, *, limit: datetime) -> None:
        """Move the clock by the time that has passed, at most to `limit`; wait while that is ahead, 5 ms at most."""
        moment = time.monotonic()
        step = timedelta(days=(moment - self._moved) * self.days_per_second)
        self._moved = moment
        now = min(self._clock.now() + step, limit)
        self._clock.move_to(now)
        if now < limit:
            time.sleep(min(0.005, (limit - now) / timedelta(days=self.days_per_second)))


class Timeline:
    """What the ledger says, as it happens."""

    def __init__(self, workspace: Workspace, console: Console) -> None:
        self._workspace = workspace
        self._console = console
        self._seen = 0
        self._training = False
        self._stage: events.Event | None = None
        """The stage that began last, while it has not been answered enough in shadow."""
        self._look_at = self._give_up_at = 0.0

    @property
    def slow(self) -> bool:
        """Whether something happens that takes as many real seconds, however fast the world is played."""
        return self._training or self._stage is not None

    def look_at_shadow(self) -> None:
        """Whether the stage that began last has been answered enough in shadow."""
        if self._stage is None or (now := time.monotonic()) < self._look_at:
            return
        self._look_at = now + LOOK
        asked = self._workspace.lake.predictions(
            PRODUCT, since=self._stage.at, stages=["shadow"], columns=["prediction_id"]
        )
        if asked.height >= IN_SHADOW[self._stage.body.stage] or now > self._give_up_at:
            self._stage = None

    def show_new(self) -> None:
        for event in self._workspace.ledger.events(kinds=SHOWN, after=self._seen):
            self._seen = event.sequence
            if isinstance(event.body, events.RunStarted):
                self._training = True
            elif isinstance(event.body, (events.RunFinished, events.RunFailed)):
                self._training = False
            elif isinstance(event.body, events.ReleaseAdvanced):
                self._stage = event if event.body.stage in IN_SHADOW else None
                self._give_up_at = time.monotonic() + LONGEST
            elif isinstance(event.body, events.ReleaseFinished):
                self._stage = None
            words = describe(event)
            strong = isinstance(event.body, (events.ChampionChanged, events.AlarmRaised))
            self._console.print(
                Text.assemble((f"{event.at:%d %b %H:%M}  ", "dim"), (words, "bold" if strong else "")), soft_wrap=True
            )


def main() -> None:
    arguments = _arguments()
    console = Console(highlight=False)
    began = time.monotonic()
    settings = load_settings(directory=HERE)
    rmtree(settings.workspace, ignore_errors=True)
    clock_file = settings.workspace / "clock"
    clock = SharedClock.create(clock_file, START)
    port = _free_port()
    os.environ |= {
        "WINDLASS_CLOCK": f"shared:{clock_file}",
        "WINDLASS_PORT": str(port),
        "WINDLASS_POLL_SECONDS": "0.25",
    }
    console.print("[bold]Flights of 2013 from New York: which will arrive more than 15 minutes late?[/bold]")
    console.print("Reading the departures ...")
    world = World(port, arguments.until)
    console.print(f"January and February are history; {world.rows:,} departures follow, an hour a request.\n")
    loop = subprocess.Popen([sys.executable, "-m", "windlass", "up", "--project", str(HERE)], stdout=subprocess.DEVNULL)
    try:
        with Workspace.open(load_settings(directory=HERE), create=True) as workspace:
            timeline = Timeline(workspace, console)
            _wait_until_ready(port, loop, timeline)
            served_from = time.monotonic()
            _play(world, clock, timeline, console, arguments)
            serving_seconds = time.monotonic() - served_from
            _drain(workspace, world, timeline)
            loop.send_signal(signal.SIGTERM)
            loop.wait(30)
            timeline.show_new()
            scores = score(workspace, PRODUCT, data.departures())
            page = write_page(workspace, PRODUCT, scores, HERE / "demo.html")
    finally:
        if loop.poll() is None:
            loop.kill()
    _conclude(console, world, scores, page, seconds=time.monotonic() - began, serving_seconds=serving_seconds)


def _play(
    world: World, clock: SharedClock, timeline: Timeline, console: Console, arguments: argparse.Namespace
) -> None:
    """Move the clock at its pace, never past the hour that comes next, and send each hour when it has come.

    While a model trains or a version is asked in shadow the clock goes slower: that takes the same real seconds however
    fast the world is played, and at full pace ten of them would be two months.
    """
    pace = Pace(clock, usual=arguments.days_per_second)
    began = shown = time.monotonic()
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        while not world.over:
            pace.move(limit=world.next_hour())
            if clock.now() == world.next_hour():
                world.play()
            if time.monotonic() - shown > 0.12:
                shown = time.monotonic()
                timeline.show_new()
                timeline.look_at_shadow()
                pace.slow = timeline.slow
                live.update(_progress(world, clock, pace, shown - began))


def _progress(world: World, clock: SharedClock, pace: Pace, elapsed: float) -> Text:
    filled = round(30 * world.sent / world.rows)
    return Text.assemble(
        (f"{clock.now():%a %d %b %Y %H:%M}  ", "bold cyan"),
        ("━" * filled, "cyan"),
        ("━" * (30 - filled), "dim"),
        f"  {world.sent:,} of {world.rows:,} departures, {world.requests / max(elapsed, 1e-9):.0f} requests/s, ",
        f"{world.outcomes:,} outcomes, 1 s = {pace.days_per_second:g} days",
        " while a model trains or a shadow is asked" if pace.slow else "",
    )


def _wait_until_ready(port: int, loop: subprocess.Popen[bytes], timeline: Timeline) -> None:
    """Until the first champion answers; the timeline shows its training meanwhile."""
    while True:
        timeline.show_new()
        if loop.poll() is not None:
            raise SystemExit(f"`windlass up` ended with exit code {loop.returncode}; see .windlass/windlass.log")
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", f"/v2/models/{PRODUCT}/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass  # it is not listening yet
        time.sleep(0.1)


def _drain(workspace: Workspace, world: World, timeline: Timeline) -> None:
    """Until the last answers have reached the lake."""
    world.wait_for_reports()
    for _ in range(300):
        timeline.show_new()
        if workspace.lake.predictions(PRODUCT, prediction_id=world.last_prediction).height:
            return
        time.sleep(0.1)
    raise SystemExit("the last prediction has not reached the lake within half a minute")


def _conclude(
    console: Console, world: World, scores: Scores, page: Path, *, seconds: float, serving_seconds: float
) -> None:
    table = Table(title="\nROC AUC by month of departure", title_justify="left", title_style="bold", pad_edge=False)
    for name in ("month", "departures", "frozen (v1)", "the loop", "answered by"):
        table.add_column(name, justify="left" if name in ("month", "answered by") else "right")
    for row in scores.months:
        better = "bold green" if row.loop > row.frozen else ""
        table.add_row(
            row.month, f"{row.rows:,}", f"{row.frozen:.3f}", Text(f"{row.loop:.3f}", better), ", ".join(row.versions)
        )
    table.add_section()
    table.add_row("mean", f"{world.sent:,}", f"{scores.frozen:.3f}", f"{scores.loop:.3f}", "", style="bold")
    console.print(table)
    console.print(
        f"\n{world.requests:,} requests in {serving_seconds:.0f} s, every answer captured; {seconds:.0f} s in all.\n"
        f"One answer, traced back to request, version, release, run, data and code:\n"
    )
    trace = [sys.executable, "-m", "windlass", "trace", world.last_prediction, "--project", str(HERE)]
    subprocess.run(trace, check=True)
    where = os.path.relpath(HERE)
    console.print(
        f"\nWhere to look next\n"
        f"  {os.path.relpath(page)}  the same as a page with curves\n"
        f"  windlass status --project {where}      where things stand now\n"
        f"  windlass releases --project {where}    why each version was let through\n"
        f"  windlass events --project {where}      everything that happened\n"
        f"  windlass data ls --project {where}     what lies in the lake\n"
        f"  examples/flights/flights.py{' ' * 15}the product: the only code that is the user's own"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--until",
        type=lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC),
        default=datetime(2014, 1, 1, tzinfo=UTC),
        help="play the world until this day (default: the end of the year)",
    )
    parser.add_argument("--days-per-second", type=float, default=6.0, help="pace of the scaled clock (default: 6)")
    return parser.parse_args()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
