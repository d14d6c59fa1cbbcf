from __future__ import annotations

import itertools
from typing import Any

import pytest

from windlass.controller.declarations import UNDECLARED, Declarations
from windlass.controller.incidents import Incidents
from windlass.controller.training import Signals, Training
from windlass.errors import ProductError
from windlass.records.event import IncidentOpened

from .conftest import PRODUCT, Desk  # type: ignore[import-not-found]

BROKEN = ProductError("there is no class P", where="m.py:3", remedy="define it")


def declarations(desk: Desk) -> Declarations:
    """As in a controller that has just started."""
    context = desk.context
    return Declarations(
        context=context, engine=desk.engine, incidents=Incidents(context=context), entries={PRODUCT: "m:P"}
    )


def test_nobody_waits_for_products_to_be_read(desk: Desk) -> None:
    products = declarations(desk)
    products.read_all()
    entries = {PRODUCT: "m:P"}
    training = Training(
        context=desk.context,
        engine=desk.engine,
        incidents=Incidents(context=desk.context),
        declarations=products,
        entries=entries,
    )
    training.decide(PRODUCT, Signals())  # not before the settings in force are known
    assert [function.rpartition(":")[2] for function, _ in desk.engine.submitted] == ["declare"]
    assert products.awaits(PRODUCT)
    desk.engine.finish()
    products.follow()
    assert not products.awaits(PRODUCT)
    training.decide(PRODUCT, Signals())
    assert desk.engine.submitted[-1][0].endswith("run_training")


def test_a_product_that_cannot_be_read_is_an_incident_until_it_can(desk: Desk) -> None:
    products = declarations(desk)
    products.read_all()
    desk.engine.fail(BROKEN)
    products.follow()
    (opened,) = desk.bodies(IncidentOpened)
    assert (opened.title, opened.cause) == (UNDECLARED, "there is no class P (at m.py:3)")
    assert opened.remedy == "define it; it is read again by itself"
    later = declarations(desk)
    later.read_all()
    desk.engine.finish()
    later.follow()
    assert desk.state.incidents == {}


def test_it_is_read_again_by_itself_sooner_at_first_and_more_seldom_later(desk: Desk) -> None:
    now = 0.0
    desk.context.real_time = lambda: now
    products = declarations(desk)
    products.read_all()
    tries = [0.0]
    for second in range(1000):
        now = float(second)
        if products.awaits(PRODUCT):
            desk.engine.fail(BROKEN)
        products.follow()
        if products.awaits(PRODUCT):
            tries.append(now)
    waits = [after - before for before, after in itertools.pairwise(tries)]
    assert waits[:3] == [5.0, 11.0, 21.0]  # the failure is heard a second after the try
    assert max(waits) == 301.0
    assert len(desk.bodies(IncidentOpened)) == 1
    if products.awaits(PRODUCT):
        desk.engine.fail(BROKEN)
        products.follow()
    now += 301
    products.follow()
    desk.engine.finish()  # it was mended
    products.follow()
    assert desk.state.incidents == {}
    now += 10_000
    products.follow()
    assert not products.awaits(PRODUCT)


def test_reading_one_product_raises_what_is_wrong_with_it(desk: Desk) -> None:
    products = declarations(desk)
    submit = desk.engine.submit

    def fail_at_once(function: str, argument: Any = None) -> Any:
        job = submit(function, argument)
        desk.engine.fail(BROKEN)
        return job

    desk.engine.submit = fail_at_once
    with pytest.raises(ProductError, match="no class"):
        products.read(PRODUCT)


def test_who_stops_reads_nothing_more(desk: Desk) -> None:
    products = declarations(desk)
    products.read_all()
    products.cancel()
    assert desk.engine.cancelled == desk.engine.jobs
    assert products.jobs == ()
