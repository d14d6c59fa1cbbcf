"""BentoML around a model: `bentoml serve with_bentoml:Scores`, with `MODEL` naming its folder."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import bentoml
import numpy as np


@bentoml.service(workers=1)
class Scores:
    def __init__(self) -> None:
        self.model = pickle.loads((Path(os.environ["MODEL"]) / "model.pkl").read_bytes())

    @bentoml.api
    def predict(self, rows: list[dict[str, float]]) -> list[float]:
        found: list[float] = self.model.predict_proba(np.array([list(row.values()) for row in rows]))[:, 1].tolist()
        return found
