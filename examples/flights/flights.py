"""The product: will this departure from New York arrive more than 15 minutes late?"""

from __future__ import annotations

from datetime import UTC, datetime

import data
import pandera.polars as pa
import polars as pl
from lightgbm import LGBMClassifier

import windlass as wl


class FlightContract(pa.DataFrameModel):
    """What a departure looks like; the same rules hold for training data and for a request."""

    flight_id: str = pa.Field(str_matches=r"^[0-9A-Z]{2}\d+-[A-Z]{3}-\d{8}T\d{4}$")
    scheduled: pl.Datetime("us", "UTC")
    carrier: str = pa.Field(str_length={"min_value": 2, "max_value": 2})
    origin: str = pa.Field(isin=["EWR", "JFK", "LGA"])
    dest: str = pa.Field(str_length={"min_value": 3, "max_value": 3})
    distance: int = pa.Field(ge=10, le=10_000)
    temp: float = pa.Field(nullable=True, ge=-60, le=140)
    dewp: float = pa.Field(nullable=True)
    humid: float = pa.Field(nullable=True, ge=0, le=100)
    wind_dir: float = pa.Field(nullable=True, ge=0, le=360)
    wind_speed: float = pa.Field(nullable=True, ge=0)
    wind_gust: float = pa.Field(nullable=True, ge=0)
    precip: float = pa.Field(nullable=True, ge=0)
    pressure: float = pa.Field(nullable=True)
    visib: float = pa.Field(nullable=True, ge=0)


class FlightDelays(wl.Product):
    """Will this departure from New York arrive more than 15 minutes late?"""

    task = wl.BinaryClassification(target="late", time="scheduled", key="flight_id")
    outcome = wl.Outcome(within="3d")
    contract = FlightContract
    estimator = LGBMClassifier(n_estimators=60, learning_rate=0.15, n_jobs=2, verbose=-1)
    gate = wl.Gate("roc_auc", at_least=0.6, slices=["origin"])
    release = wl.Release(shadow=500, canary=[0.1, 0.3], bake="12h", probation="7d")
    retrain = wl.Retrain(every="45d", on_decay=True, cooldown="14d", window="all")

    def extract(self, since: datetime | None) -> pl.DataFrame:
        """January and February; from March on the loop feeds itself on what it answered."""
        history = data.departures().filter(
            pl.col("scheduled") < datetime(2013, 3, 1, tzinfo=UTC), pl.col("late").is_not_null()
        )
        return history if since is None else history.filter(pl.col("scheduled") > since)

    def features(self, rows: pl.DataFrame) -> pl.DataFrame:
        scheduled = pl.col("scheduled").dt
        return rows.select(
            "carrier",
            "origin",
            "dest",
            "distance",
            *data.WEATHER,
            minute_of_day=scheduled.hour().cast(pl.Int32) * 60 + scheduled.minute(),
            weekday=scheduled.weekday(),
        )
