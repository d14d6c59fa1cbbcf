"""The user's code, loaded and checked, and the record of what it declares."""

from __future__ import annotations

import msgspec

from windlass.decisions.statistics.metrics import NAMES, main_metric
from windlass.errors import ProductError
from windlass.ledger.ledger import Ledger
from windlass.pipeline.fitting.tuning import need_optuna
from windlass.product.checks.declaration import check_declaration
from windlass.product.code.loading import load
from windlass.product.code.source import Source, read_source
from windlass.product.policy import Gate, to_plain
from windlass.product.product import Product
from windlass.product.task import TaskKind
from windlass.records.event import ProductDeclared
from windlass.settings import Settings


def open_product(settings: Settings, *, product: str, entry: str) -> tuple[type[Product], Source]:
    """The product class and its source. Raises ProductError for whatever the user got wrong in declaring it."""
    folder = settings.project.resolve()
    source = read_source(entry, folder)
    loaded = load(source, folder)
    if loaded.name != product:
        raise ProductError(
            f"the class is called {loaded.name!r}, and {product!r} was asked for",
            where=entry,
            remedy="write its name as plain text in the class body, so that it can be read without running the code",
        )
    check_declaration(loaded, metrics=NAMES)
    if loaded.gate is not None:
        _check_bounds(loaded.gate, loaded.task.kind, f"{entry}.gate")
    if loaded.search is not None:
        need_optuna()
    return loaded, source


def _check_bounds(gate: Gate, kind: TaskKind, where: str) -> None:
    """A floor is for a metric where larger is better, a ceiling for one where smaller is."""
    metric = main_metric(gate, kind)
    wrong, right = ("at_most", "at_least") if metric.larger_is_better else ("at_least", "at_most")
    if getattr(gate, wrong) is not None:
        better = "larger" if metric.larger_is_better else "smaller"
        raise ProductError(f"{better} is better for {metric.name}", where=where, remedy=f"give {right}, not {wrong}")
    if gate.own is None and gate.at_least is not None and gate.at_least > 1:
        raise ProductError(
            f"no {metric.name} is above 1, so none reaches {gate.at_least}",
            where=f"{where}.at_least",
            remedy="give a share such as 0.65, not a percentage",
        )
    if metric.name != "cost" and gate.at_most is not None and gate.at_most < 0:
        raise ProductError(
            f"no {metric.name} is below 0, so none keeps to {gate.at_most}",
            where=f"{where}.at_most",
            remedy="give the most that is still good enough",
        )


def declaration_of(product: type[Product], source: Source) -> ProductDeclared:
    """All that the controller must know of a product, as plain data."""
    return ProductDeclared(
        entry=source.entry,
        source=source.digest,
        task=msgspec.to_builtins(product.task),
        policies=to_plain(product.policies()),
        trains=product.trains(),
    )


def is_news(ledger: Ledger, product: str, declared: ProductDeclared) -> bool:
    """Whether the ledger's last word on the product is another one."""
    last = ledger.events([ProductDeclared], product=product, newest=1)
    # Compared as the ledger keeps them: a tuple comes back as a list.
    return not last or msgspec.json.encode(last[0].body, order="sorted") != msgspec.json.encode(
        declared, order="sorted"
    )
