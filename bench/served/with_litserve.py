"""LitServe around a model: `with_litserve.py FOLDER PORT`, in an environment that has it."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any

import litserve
import numpy as np


class Scores(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 (LitServe's signature)
        self.model = pickle.loads((Path(os.environ["MODEL"]) / "model.pkl").read_bytes())

    def decode_request(self, request):  # LitServe reads the annotation, and would take this one for a query
        return np.array([list(row.values()) for row in request["rows"]])

    def predict(self, rows: Any) -> Any:
        return self.model.predict_proba(rows)[:, 1]

    def encode_response(self, scores: Any) -> dict[str, Any]:
        return {"predictions": [float(score) for score in scores]}


if __name__ == "__main__":
    os.environ["MODEL"] = sys.argv[1]
    server = litserve.LitServer(Scores(), workers_per_device=1)
    server.run(port=int(sys.argv[2]), num_api_servers=1, generate_client_file=False)
