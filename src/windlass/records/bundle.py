"""What a version consists of."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from windlass.records.data import DataPin


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a request row, as far as every protocol needs to know it."""

    name: str
    dtype: Literal["bool", "int", "float", "str", "datetime", "date"]
    nullable: bool = True
    required: bool = True
    exact: str = ""
    """The polars type the training frame had, such as `Int32` or `Datetime[ms, UTC]`; empty: the usual one."""


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """How the model lies on disk."""

    format: Literal["skops", "pickle", "joblib", "onnx", "lightgbm", "xgboost"]
    file: str
    """Path inside the bundle."""
    kind: str
    """The model's class, for people."""
    types: tuple[str, ...] = ()
    """skops: the types beyond its own list that the file may build, written down when the model was saved."""
    reason: str = ""
    """Why not a safe format, when `format` is one that can run code."""
    vouched_by: str = ""
    """Who answers for a file that can run code: `run`, or a person; empty: nobody, and it is not loaded."""


PARITY_ROWS = 10_000
"""On which a form of a model is compared with the model before it may answer."""


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """The form of the model that answers requests, if another than the model itself may."""

    files: tuple[str, ...] = ()
    """Paths inside the bundle of ONNX graphs, one for each model of a blend."""
    boosters: bool = False
    """The boosters answer that the model holds, without scikit-learn's interface around them."""
    reason: str = ""
    """Why there is no such form, when there is none."""
    awaits_rows: bool = False
    """There may be one yet: the model came without rows to compare it on."""
    rows: int = 0
    """On which both forms were compared."""
    difference: float = 0.0
    """The greatest between their answers: of probabilities, or of values in parts of their spread."""
    faster: float = 0.0
    """How many times, at one row or at 64, whichever is less."""
    native_ms: tuple[float, ...] = ()
    """What the model itself takes for one row and for 64, without `features`: the shortest of calls in turn."""
    form_ms: tuple[float, ...] = ()
    """What the other form takes for as many."""

    @property
    def answers(self) -> bool:
        """Whether there is such a form; else the model itself answers."""
        return self.boosters or bool(self.files)

    @property
    def form(self) -> str:
        """Which form of the model answers."""
        if not self.answers:
            return "the model itself"
        return "its boosters alone" if self.boosters else "ONNX Runtime"

    def __str__(self) -> str:
        """Which form of the model answers, and why."""
        if not self.answers:
            return f"{self.form}: {self.reason}"
        within = f"on {self.rows:,} rows within {self.difference:.1g} of the model"
        return f"{self.form}, {self.faster:g} times as fast; {within}"


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version was made."""

    python: str
    platform: str
    windlass: str
    distributions: dict[str, str]
    """Installed distribution -> version."""
    threads: dict[str, str] = {}
    """Numerical library -> how it calculates, such as `4 threads, Haswell`: sums in another order differ in the last
    bits."""
    git_commit: str | None = None
    git_dirty: bool = False
    git_diff: str = ""
    """`git diff HEAD` of the product's folder, cut at 200 kB; the whole source is in the bundle anyway."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The table of contents of a bundle; its sha256 is the version's digest."""

    format: int = 1
    product: str
    entry: str
    """`module:Class` inside the bundle's `source/`; empty for a version made from a model file."""
    run: str | None
    """The run that made it; None for an imported model file."""
    created_at: datetime
    task: dict[str, Any]
    policies: dict[str, Any]
    columns: tuple[Column, ...]
    """What a request row holds."""
    features: tuple[str, ...]
    """What the model gets, in order."""
    classes: tuple[bool | int | str, ...] = ()
    """The labels behind the columns of the model's probabilities, in their order; empty for regression."""
    threshold: float | None = None
    """The probability from which the model itself calls a row positive, where it came as a file: the one that it has
    chosen, else just above one half, as `predict` of the libraries has it."""
    model: ModelFile
    models: int = 1
    """How many are asked together for an answer: more than one of a blend or a committee, which takes so many times as
    long."""
    metrics: dict[str, float]
    """On the holdout."""
    pin: DataPin | None
    environment: Environment
    compiled: Compiled | None = None
    """None in versions of before there was such a thing."""
    files: dict[str, str]
    """Path inside the bundle -> sha256, for every file but this one; an extra or missing file is corruption too."""
