"""Keep a model as a peer wants it: `keep.py PEER NAME FOLDER`, in the peer's environment."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import models


def save(peer: str, name: str, folder: Path) -> None:
    model = models.for_peers()[name]
    if folder.exists():
        return
    if peer == "mlflow":
        import mlflow

        trusted = {"serialization_format": "cloudpickle"}
        example = models.sample(models.width(name))[0][:2]
        mlflow.sklearn.save_model(
            model, str(folder), pyfunc_predict_fn="predict_proba", input_example=example, **trusted
        )
    elif peer == "mlserver":
        import joblib

        folder.mkdir(parents=True)
        joblib.dump(model, folder / "model.joblib")
    else:
        folder.mkdir(parents=True)
        (folder / "model.pkl").write_bytes(pickle.dumps(model))


if __name__ == "__main__":
    save(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
