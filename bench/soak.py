"""Kill a controller again and again at random, and look for anything lost, done twice or left behind.

    python bench/soak.py --trials 1000 --database sqlite --database postgres
    python bench/soak.py --every-point

A trial is one life of a controller in a process of its own, ended by kill -9: at a named point chosen at random, or
after a random time. After every few trials the world comes to rest, and what must hold is read from the records alone
(tests/crashes/checker.py). Prints a table; ends with 1 when anything was violated. With `--every-point` each named
point kills once instead, in the order of a product's life. For PostgreSQL it starts a server of its own.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from crashes.checker import violations
from crashes.lives import REACHED
from crashes.stories import ON_POSTGRES, STORIES
from crashes.telling import tell
from crashes.world import PRODUCT, Nursery, World
from postgres_server import PostgresServer

POINTS = sorted({point for story in (*STORIES.values(), ON_POSTGRES) for stage in story for point in stage})
KILLS_PER_STAGE = 6
"""A run that is killed more than eight times in a row waits for a day of event time."""
_ARMED = (1, 2, 4, 8)
"""Points that are armed at once: most are not on the way of a life."""
_LONGEST = 1.5  # seconds after which a life that is killed by time is killed at the latest


class Tally(msgspec.Struct, kw_only=True):
    """What happened on one database."""

    at_a_point: int = 0
    at_a_time: int = 0
    to_the_end: int = 0
    """Lives that came to their end before they were killed."""
    worlds: int = 0
    stages: int = 0
    answers: int = 0
    points: Counter[str] = msgspec.field(default_factory=Counter)
    wrong: list[str] = msgspec.field(default_factory=list)

    @property
    def kills(self) -> int:
        return self.at_a_point + self.at_a_time


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000, help="kills on each database")
    parser.add_argument("--database", action="append", choices=["sqlite", "postgres"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every-point", action="store_true", help="once each, and nothing by chance")
    arguments = parser.parse_args()
    databases = arguments.database or ["sqlite", "postgres"]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="windlass-soak-")))
        nursery = stack.enter_context(Nursery(folder / "points"))
        server = stack.enter_context(PostgresServer()) if "postgres" in databases else None
        wrong = 0
        for database in databases:
            began = time.monotonic()
            urls = (server.new_url() if server and database == "postgres" else "" for _ in iter(int, 1))
            if arguments.every_point:
                tally = every_point(nursery, folder / database, urls)
            else:
                tally = soak(arguments.trials, nursery, folder / database, urls, random.Random(arguments.seed))
            report(database, tally, time.monotonic() - began)
            wrong += len(tally.wrong)
    return 1 if wrong else 0


def every_point(nursery: Nursery, folder: Path, urls: Iterator[str]) -> Tally:
    """Each named point kills once; an AssertionError when one does not."""
    tally = Tally()
    for name, story in STORIES.items():
        world = World(folder / name, ledger=next(urls))
        tally.wrong += [f"{name}: {sentence}" for sentence in tell(world, nursery, story)]
        points = [point for stage in story for point in stage]
        tally.points.update(points)
        tally.at_a_point += len(points)
        tally.worlds += 1
        tally.stages += 1
        tally.answers += len(world.acknowledged)
    return tally


def soak(trials: int, nursery: Nursery, folder: Path, urls: Iterator[str], dice: random.Random) -> Tally:
    """One world after the other until so many controllers were killed."""
    tally = Tally()
    while tally.kills < trials and not tally.wrong:
        world = World(folder / f"world-{tally.worlds}", ledger=next(urls))
        tally.worlds += 1
        stage(world, nursery, tally, dice, ["v1"])
        world.edit("C=1.0", "C=0.1")
        world.ask("train")
        stage(world, nursery, tally, dice, ["v1", "v2"])
        world.ask("rollback")
        stage(world, nursery, tally, dice, ["v1", "v2", "v1"])
        tally.answers += len(world.acknowledged)
    return tally


def some_points(tally: Tally, dice: random.Random) -> list[str]:
    """As often as not of those that have killed nobody yet, and few at once: a life is killed at the first on its way,
    so late ones are reached when no early one is armed."""
    fresh = [point for point in POINTS if point not in tally.points]
    chosen = fresh if fresh and dice.random() < 0.5 else POINTS
    return dice.sample(chosen, min(dice.choice(_ARMED), len(chosen)))


def stage(world: World, nursery: Nursery, tally: Tally, dice: random.Random, champions: list[str]) -> None:
    """Some kills on the way to the next champion, then a life that nobody ends, and a look at the records."""
    tally.stages += 1
    for _ in range(KILLS_PER_STAGE):
        world.answer(dice.randint(1, 20))
        points = some_points(tally, dice) if dice.random() < 0.7 else []
        world.arm(points, nursery)
        end = nursery.live(world.folder, champions[-1], seconds=None if points else dice.uniform(0.02, _LONGEST))
        hit = set(points) - {path.name for path in nursery.points.iterdir()}
        for path in nursery.points.iterdir():
            path.unlink()
        tally.points.update(hit)
        if end == REACHED:
            tally.to_the_end += 1
        elif end < 0 and hit:
            tally.at_a_point += 1
        elif end < 0 and not points:
            tally.at_a_time += 1
        else:
            tally.wrong.append(f"{world.folder}: a life ended with {end}")
    world.answer()
    world.retire()
    if nursery.live(world.folder, champions[-1]) != REACHED:
        tally.wrong.append(f"{world.folder}: nobody brought {champions[-1]} to the top")
    found = violations(
        world.paths,
        world.ledger_url,
        PRODUCT,
        acknowledged=world.acknowledged,
        reported=world.reported,
        asked=world.asked,
        champions=champions,
    )
    tally.wrong += [f"{world.folder}: {sentence}" for sentence in found]


def report(database: str, tally: Tally, seconds: float) -> None:
    rows = {
        "killed": tally.kills,
        "  at a named point": tally.at_a_point,
        "  after a random time": tally.at_a_time,
        "came to the end before": tally.to_the_end,
        "points hit, of": f"{len(tally.points)} of {len(POINTS)}",
        "workspaces; checks": f"{tally.worlds}; {tally.stages}",
        "answers given": tally.answers,
        "violations": len(tally.wrong),
        "seconds": round(seconds),
    }
    print(f"\n{database}")
    for name, value in rows.items():
        print(f"  {name:24} {value}")
    if never := sorted(set(POINTS) - set(tally.points)):
        print(f"  never hit: {', '.join(never)}")
    for sentence in tally.wrong:
        print(f"  ! {sentence}")


if __name__ == "__main__":
    sys.exit(main())
