"""What every step of a training run works with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from windlass.clock import Clock
from windlass.lake.lake import Lake
from windlass.ledger.ledger import Ledger
from windlass.pipeline.steps.request import TrainingRequest
from windlass.pipeline.steps.step import StepRunner
from windlass.product.code.source import Source
from windlass.product.product import Product
from windlass.product.task import Task, TaskKind
from windlass.records.bundle import Environment
from windlass.records.paths import Paths
from windlass.registry.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Training:
    """One run: what was asked, the stores, the user's code, and the runner of its steps."""

    request: TrainingRequest
    paths: Paths
    clock: Clock
    ledger: Ledger
    lake: Lake
    registry: Registry
    runner: StepRunner
    product: type[Product]
    source: Source
    environment: Environment
    origin: str
    """The run at the start of the chain that this one resumes; itself when it resumes none."""

    @property
    def name(self) -> str:
        return self.product.name

    @property
    def task(self) -> Task:
        return self.product.task

    @property
    def kind(self) -> TaskKind:
        return self.product.task.kind

    @property
    def run(self) -> str:
        return self.request.run

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def project(self) -> Path:
        return self.request.settings.project

    def code(self, *names: str) -> str:
        """Digest of the user's code behind the members `names` of the product class."""
        return self.source.code_digest(*names)
