"""Every kind of event has words of its own."""

from __future__ import annotations

import pytest

from windlass.app import describe
from windlass.records import event as events


@pytest.mark.parametrize("kind", events.ALL, ids=lambda kind: kind.kind())
def test_every_kind_is_described(kind: type[events.Body]) -> None:
    assert kind in describe._WORDS
