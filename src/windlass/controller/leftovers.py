"""Files of artifacts and registry that nothing kept needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from windlass.ledger.ledger import Ledger
from windlass.records.event import RunStarted, StepFinished, StepStarted
from windlass.records.ids import moment_of
from windlass.records.paths import Paths
from windlass.records.state import ProductState

BUNDLES = "bundles"
_REPRODUCTIONS = timedelta(days=1)
"""One that failed leaves its log behind for so long."""


class Leftover(msgspec.Struct, frozen=True, kw_only=True):
    """A file or a folder that may go."""

    what: str
    """Its sort, in the plural."""
    path: Path
    store: Path
    """Where it lies; each store has its own staging."""

    @property
    def bytes(self) -> int:
        """What it takes on the disk; what goes away meanwhile counts as nothing."""
        files = [self.path] if self.path.is_file() else [path for path in self.path.rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files)


def retirable(product: ProductState, kept: Collection[str]) -> list[str]:
    """The versions that are there and need not be."""
    return [name for name, version in product.versions.items() if not version.retired and name not in kept]


def leftovers(
    paths: Paths,
    ledger: Ledger,
    product: ProductState,
    *,
    kept: Collection[str],
    runs: Collection[str],
    before: datetime,
    now: datetime,
) -> Iterator[Leftover]:
    """What may go of a product of which the versions `kept` and the whole story of `runs` stay.

    Runs that began at or after `before` keep their logs as well.
    """
    for version in product.versions.values():
        bundle = paths.bundle(product.name, version.digest)
        if version.version not in kept and bundle.is_dir():
            yield Leftover(what=BUNDLES, path=bundle, store=paths.registry)
    steps = _steps(ledger, product)
    references = {fixed.digest for version, fixed in product.references.items() if version in kept}
    step, run = paths.step(product.name, "any").parent, paths.run(product.name, "any").parent
    reproduction, reference = (
        paths.reproduction(product.name, "any").parent,
        paths.reference(product.name, "any").parent,
    )
    found = {
        "step outputs": [path for path in _below(step) if path.name not in steps],
        "logs of runs": [path for path in _below(run) if path.name not in runs and _began_before(path, before)],
        "reproductions": [path for path in _below(reproduction) if _began_before(path, now - _REPRODUCTIONS)],
        "references": [path for path in _below(reference) if path.stem not in references],
    }
    for what, entries in found.items():
        yield from (Leftover(what=what, path=path, store=paths.artifacts) for path in entries)


def _below(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _began_before(path: Path, moment: datetime) -> bool:
    """Whether it is of something that began earlier; of what nobody knows the time of, it did not."""
    began = moment_of(path.name)
    return began is not None and began < moment


def _steps(ledger: Ledger, product: ProductState) -> frozenset[str]:
    """The keys of the steps that the next run may take over: from the last one, and all that it had taken up itself."""
    last = [run for run in (product.run, product.last_run) if run is not None]
    runs = {name for run in last for name in _taken_up(ledger, run.run)}
    found = [event.body for run in runs for event in ledger.events((StepStarted, StepFinished), run=run)]
    return frozenset(body.key for body in found if isinstance(body, StepStarted | StepFinished))


def _taken_up(ledger: Ledger, run: str | None) -> Iterator[str]:
    """The run, the one that it took up, the one that this took up, and so on."""
    while run is not None:
        yield run
        started = [event.body for event in ledger.events((RunStarted,), subject=run, newest=1)]
        run = started[0].resumes if started and isinstance(started[0], RunStarted) else None
