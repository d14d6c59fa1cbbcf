"""Does the interval cover at every age of the labels? `python bench/late_labels.py [rounds]`.

In each round 6,000 or 800 older answers tell how long labels take, and a window of 2,000 is looked at again and again
as its labels come. One class, or the larger values, are ready after half a day on average, the other after four (or the
other way round), none after ten, and 3 in 100 never. They come at once, at the end of the day, once a week, or every
one to five days; weeks begin anywhere in the window. Prints JSON: at each look how often the interval held the figure
that the window ends at, how often the figure of two million such rows, how wide it was in the middle, and the share of
windows that had a figure at all; and before that the least and the mean over looks and figures.
"""

from __future__ import annotations

import json
import sys
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from windlass.decisions.statistics.metrics import metric_for
from windlass.decisions.statistics.realised import LabelTimes, learn_history, realised_score

WITHIN = 10.0
LOOKS = (1.05, 1.2, 1.5, 2.0, 2.95, 3.0, 5.0, 8.0, 11.5)
"""Days; the window lasts from 0 to 1."""
BEFORE, ROWS = (6000, 800), 2000
APART = {"at once": (), "once a night": (1,), "once a week": (7,), "every one to five days": (1, 2, 3, 5)}
"""Days between two deliveries of labels, one of these each time."""
HELD = ("held the window's end", "held the truth")
WORLDS: dict[str, tuple[Any, float, tuple[float, float], tuple[str, ...]]] = {
    "3 in 10 positive, known first": ("binary", 0.3, (4.0, 0.5), ("roc_auc", "accuracy", "log_loss")),
    "1 in 20 positive, known last": ("binary", 0.05, (0.5, 4.0), ("roc_auc", "accuracy", "log_loss")),
    "numbers, the large ones known first": ("regression", 0.5, (4.0, 0.5), ("mae", "rmse")),
}


class Rows(NamedTuple):
    at: Any
    answers: Any
    truth: Any
    known_at: Any

    def seen(self, now: float) -> LabelTimes:
        come = self.known_at <= now
        return LabelTimes(
            at=self.at, known_at=np.where(come, self.known_at, np.nan), truth=np.where(come, self.truth, np.nan)
        )


def drawn(
    random: np.random.Generator, rows: int, world: tuple[Any, float, tuple[float, float], Any], *, since: float
) -> Rows:
    """Rows answered between `since` and the end of its stretch, by a model that is somewhat wrong."""
    kind, share, late, _ = world
    at, x = np.sort(random.uniform(since, 1.0 if since == 0 else 0.0, rows)), random.normal(size=rows)
    if kind == "binary":
        level = np.log(share / (1 - share))
        truth = (random.random(rows) < 1 / (1 + np.exp(-(1.2 * x + level)))).astype(float)
        answers, group = 1 / (1 + np.exp(-(0.8 * x + level + 0.3))), truth.astype(int)
    else:
        truth = 2 * x + random.normal(size=rows) * np.exp(0.3 * x)
        answers, group = 1.7 * x, (truth > 1).astype(int)
    delay = np.minimum(random.exponential(np.array(late)[group]), 0.999 * WITHIN)
    return Rows(at, answers, truth, np.where(random.random(rows) < 0.03, np.inf, at + delay))


def both(first: Rows, second: Rows) -> Rows:
    return Rows(*(np.concatenate(pair) for pair in zip(first, second, strict=True)))


def delivered(random: np.random.Generator, rows: Rows, *, apart: tuple[int, ...]) -> Rows:
    """The rows, whose labels wait for the next delivery."""
    if not apart:
        return rows
    moments = np.cumsum(random.choice(apart, 80)) - 41 - random.integers(max(apart))
    waiting = np.append(moments[moments <= 60], np.inf)
    return rows._replace(known_at=waiting[np.searchsorted(waiting, rows.known_at)])


def measure(
    world: tuple[Any, float, tuple[float, float], tuple[str, ...]], rounds: int, *, before: int, apart: tuple[int, ...]
) -> dict[str, Any]:
    kind, names = world[0], world[3]
    large = drawn(np.random.default_rng(9), 2_000_000, world, since=0)
    true = {name: metric_for(name, kind).score(large.truth, large.answers) for name in names}
    random, within = np.random.default_rng(0), WITHIN + max(apart, default=0)
    found: dict[float, dict[str, list[tuple[bool, bool, float, bool]]]] = {
        now: {name: [] for name in names} for now in LOOKS
    }
    for _ in range(rounds):
        older, newer = drawn(random, before, world, since=-40), drawn(random, ROWS, world, since=0)
        rows = delivered(random, both(older, newer), apart=apart)
        window = Rows(*(each[before:] for each in rows))
        comes = np.isfinite(window.known_at)
        for now in LOOKS:
            history = learn_history(rows.seen(now), now=now, within=within, classes=kind == "binary")
            for name in names:
                metric = metric_for(name, kind)
                end = metric.score(window.truth[comes], window.answers[comes])
                own = realised_score(metric, window.seen(now), window.answers, history, now=now, within=within)
                held = own.lower <= end <= own.upper, own.lower <= true[name] <= own.upper
                found[now][name].append((*held, own.upper - own.lower, bool(np.isfinite(own.value))))
    return {
        f"day {now:g}": {
            name: {
                "held the window's end": round(float(np.mean([row[0] for row in rows])), 3),
                "held the truth": round(float(np.mean([row[1] for row in rows])), 3),
                "width": round(float(np.median([row[2] for row in rows])), 4),
                "with a figure": round(float(np.mean([row[3] for row in rows])), 2),
            }
            for name, rows in by_name.items()
        }
        for now, by_name in found.items()
    }


def rates(looks: dict[str, Any], key: str) -> list[float]:
    return [figure[key] for look in looks.values() for figure in look.values()]


def main(rounds: int) -> None:
    print(json.dumps({"rounds": rounds}))
    for before, (how, apart), (name, world) in product(BEFORE, APART.items(), WORLDS.items()):
        looks = measure(world, rounds, before=before, apart=apart)
        told = {key: [min(rates(looks, key)), round(float(np.mean(rates(looks, key))), 3)] for key in HELD}
        print(json.dumps({"older": before, "labels come": how, "world": name, **told, "looks": looks}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
