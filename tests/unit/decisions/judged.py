"""Evidence for a gate, as several tests ask it."""

from __future__ import annotations

from typing import Any

import numpy as np

from windlass.decisions.gate import GateEvidence


def judged(candidate: float, **more: Any) -> GateEvidence:
    """A candidate whose error is `candidate` times the champion's on average, and scatters about that."""
    random = np.random.default_rng(5)
    champion = 5 + 0.3 * random.normal(size=400)
    scatter = random.uniform(-2, 2, size=400)
    return GateEvidence(
        kind="regression",
        truth=np.zeros(400),
        candidate=candidate * champion + scatter - scatter.mean(),
        champion=champion,
        must_gain=True,
        **more,
    )
