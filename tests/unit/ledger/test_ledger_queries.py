"""Every kind of event comes back as it was, and every question finds what a plain filter would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.ledger.ledger import Ledger
from windlass.records.event import ALL, Body, CommandRequested, Event, RunFinished, RunLogged, RunStarted
from windlass.records.lease import Fence

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    type(None): st.none(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    Any: st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.lists(st.text("ab", max_size=3), max_size=3)),
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of an annotation, as far as the records use them."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is dict:
        return st.dictionaries(*(values(part) for part in get_args(hint)), max_size=3)
    if get_origin(hint) is tuple and get_args(hint)[-1] is not Ellipsis:
        return st.tuples(*(values(part) for part in get_args(hint)))
    if get_origin(hint) is tuple:
        return st.lists(values(get_args(hint)[0]), max_size=3).map(tuple)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        hints = get_type_hints(hint)
        return st.builds(hint, **{name: values(hints[name]) for name in hint.__struct_fields__})
    return st.one_of([values(part) for part in get_args(hint)])


@pytest.fixture(scope="module")
def filled(new_ledger_url: Callable[[], str]) -> Iterator[tuple[Ledger, Fence]]:
    """A ledger that holds what the tests before have written, and its lease."""
    with Ledger(new_ledger_url()) as ledger:
        fence = ledger.acquire("one", 3600)
        assert fence is not None
        yield ledger, fence


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.kind())
@given(data=st.data())
@settings(max_examples=10)
def test_every_kind_comes_back_as_it_was(filled: tuple[Ledger, Fence], kind: type[Body], data: st.DataObject) -> None:
    ledger, fence = filled
    before = ledger.head()
    bodies = data.draw(st.lists(values(kind), min_size=1, max_size=4))

    written = ledger.append(*bodies, at=AT, actor="ann", product="flights", fence=fence)

    assert [event.body for event in written] == bodies
    assert ledger.events(after=before) == list(written)
    assert all(event.kind == kind.kind() for event in written)


def test_all_that_was_written_so_verifies(filled: tuple[Ledger, Fence]) -> None:
    found = filled[0].verify()
    invented = ("the gaps are not those that the last pruning left: they were changed",)  # by a made-up ledger.pruned
    assert (found.problems, found.events) == (invented, filled[0].head())


_names = st.sampled_from(["1", "2", "3"])
_bodies = st.one_of(
    st.builds(RunStarted, run=_names, trigger=st.just("manual"), reason=st.just("")),
    st.builds(RunLogged, run=_names),
    st.builds(RunFinished, run=_names, outcome=st.just("done"), seconds=st.just(1.0)),
    st.builds(CommandRequested, command=_names, name=st.just("pause"), reason=st.just("")),
)
_optional = st.one_of(st.none(), _names)


@given(
    written=st.lists(st.tuples(_bodies, _optional, _optional), max_size=20),
    kinds=st.lists(st.sampled_from([RunStarted, RunLogged, RunFinished, CommandRequested]), max_size=3),
    product=_optional,
    subject=_optional,
    run=_optional,
    after=st.integers(0, 20),
    newest=st.one_of(st.none(), st.integers(0, 8)),
)
@settings(max_examples=100)
def test_a_question_finds_what_a_plain_filter_finds(
    filled: tuple[Ledger, Fence],
    *,
    written: list[tuple[Body, str | None, str | None]],
    kinds: list[type[Body]],
    product: str | None,
    subject: str | None,
    run: str | None,
    after: int,
    newest: int | None,
) -> None:
    ledger, _ = filled
    after += ledger.head()
    everything: list[Event] = []
    for body, of_product, of_run in written:
        everything += ledger.append(body, at=AT, actor="ann", product=of_product, run=of_run)
    expected = [
        event
        for event in everything
        if (not kinds or type(event.body) in kinds)
        and product in (None, event.product)
        and subject in (None, event.body.subject)
        and run in (None, event.run)
        and event.sequence > after
    ]

    found = ledger.events(kinds, product=product, subject=subject, run=run, after=after, newest=newest)

    assert found == (expected if newest is None else expected[max(0, len(expected) - newest) :])
