"""What runs in a peer's environment: `save PEER NAME FOLDER`, and `serve litserve NAME FOLDER PORT`."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import models


def save(peer: str, name: str, folder: Path) -> None:
    model = models.fitted()[name]
    if folder.exists():
        return
    if peer == "mlflow":
        import mlflow
        import pandas

        rows = pandas.DataFrame(models.sample()[0], columns=[f"x{place}" for place in range(models.WIDTH)])
        trusted = {"serialization_format": "cloudpickle"}
        mlflow.sklearn.save_model(
            model, str(folder), pyfunc_predict_fn="predict_proba", input_example=rows[:2], **trusted
        )
    else:
        folder.mkdir(parents=True)
        (folder / "model.pkl").write_bytes(pickle.dumps(model))


def serve(folder: Path, port: int) -> None:
    import litserve
    import numpy as np

    class Scores(litserve.LitAPI):
        def setup(self, device: str) -> None:  # noqa: ARG002 (LitServe's signature)
            self.model = pickle.loads((folder / "model.pkl").read_bytes())

        def decode_request(self, request: dict[str, Any]) -> Any:
            return np.array([list(row.values()) for row in request["rows"]])

        def predict(self, rows: Any) -> Any:
            return self.model.predict_proba(rows)[:, 1]

        def encode_response(self, scores: Any) -> dict[str, Any]:
            return {"predictions": [float(score) for score in scores]}

    litserve.LitServer(Scores(), workers_per_device=1).run(port=port, num_api_servers=1, generate_client_file=False)


if __name__ == "__main__":
    if sys.argv[1] == "save":
        save(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        serve(Path(sys.argv[4]), int(sys.argv[5]))
