"""A source that returns nothing, the same rows again, or a new column: each in a real run beside a champion."""

from __future__ import annotations

import polars as pl

from windlass.records.event import ChampionChanged, GateDecided, IncidentClosed, IncidentOpened, RunFailed, RunFinished

from .conftest import PRODUCT, World  # type: ignore[import-not-found]


def run_on(world: World, rows: pl.DataFrame) -> str:
    """How a run ends that a person asks for when the source has these rows."""
    world.wait_until(lambda: world.quiet)
    rows.write_parquet(world.folder / "history.parquet")
    world.ask("train")
    ended = world.wait_for(RunFinished, RunFailed)
    return str(ended.outcome) if isinstance(ended, RunFinished) else str(ended.message)


def test_whatever_it_returns_the_champion_stays_and_every_row_counts_once(world: World) -> None:
    history = pl.read_parquet(world.folder / "history.parquet")
    world.start()
    assert world.wait_for(ChampionChanged).version == "v1"
    assert run_on(world, history.head(0)) == "unchanged"
    assert run_on(world, pl.concat([history, history.reverse()])) == "unchanged"
    assert run_on(world, history.with_columns(fog=pl.col("rain") * 2)) == "rejected"
    assert "Only 0 rows can be compared with the champion" in world.bodies(GateDecided)[-1].decision.reasons[0]
    lake = world.controller_lake.examples(PRODUCT, "rows")
    revised = lake.drop_nulls("fog")
    assert (lake.height - revised.height, revised.height, revised["id"].n_unique()) == (1200, 1200, 1200)
    assert (world.champion, world.bodies(IncidentOpened)) == ("v1", [])


def test_nothing_from_the_beginning_is_an_incident_until_something_comes(world: World) -> None:
    history = pl.read_parquet(world.folder / "history.parquet")
    history.head(0).write_parquet(world.folder / "history.parquet")
    world.start()
    opened = world.wait_for(IncidentOpened)
    assert (opened.title, "there are no rows" in opened.cause) == ("training failed", True), opened
    assert "`extract(None)` returns all rows there are" in opened.remedy
    assert run_on(world, history) == "registered"
    world.wait_until(lambda: bool(world.bodies(IncidentClosed)))
    assert world.champion == "v1"
