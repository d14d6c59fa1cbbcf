"""Other servers around the same models, each in an environment of its own with the newest release from PyPI."""

from __future__ import annotations

import json
import subprocess
import venv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from served import models, versions

PEERS = {
    "mlflow": ("mlflow",),
    "litserve": ("litserve",),
    "mlserver": ("mlserver", "mlserver-sklearn"),
    "bentoml": ("bentoml",),
}
"""Name -> what is installed for it."""
HERE = Path(__file__).parent
Process = Callable[..., AbstractContextManager[int]]


@contextmanager
def serving(
    peer: str, environments: Path, *, name: str, port: int, process: Process
) -> Iterator[tuple[str, bytes, int]]:
    """`peer` with the model `name` (`line`, `forest` or `contract`); where to send which body, and its process."""
    python = _python(peer, environments)
    model = (environments / f"{name}-{peer}").resolve()
    subprocess.run([python, HERE / "keep.py", peer, name, model], check=True, cwd=HERE)
    path = f"{python.parent}:/usr/bin:/bin"
    width = models.width(name)
    command, settings = _COMMANDS[peer](python, model, port, width)
    # the models' own functions are in a module here, which a server that is a script of its environment would not find
    with process(command, port=port, PATH=path, PYTHONPATH=str(HERE), **settings) as pid:
        yield f"http://127.0.0.1:{port}{_PATHS[peer]}", _BODIES[peer](width), pid


def _mlflow(python: Path, model: Path, port: int, _width: int) -> tuple[list[str], dict[str, str]]:
    command = [str(python), "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local"]
    return [*command, "--port", str(port), "--workers", "1"], {}


def _litserve(python: Path, model: Path, port: int, _width: int) -> tuple[list[str], dict[str, str]]:
    return [str(python), "with_litserve.py", str(model), str(port)], {}


def _bentoml(python: Path, model: Path, port: int, _width: int) -> tuple[list[str], dict[str, str]]:
    command = [str(python), "-m", "bentoml", "serve", "with_bentoml:Scores", "--port", str(port)]
    return command, {"MODEL": str(model), "BENTOML_DO_NOT_TRACK": "true"}


def _mlserver(python: Path, model: Path, port: int, width: int) -> tuple[list[str], dict[str, str]]:
    """With the settings that it reads from the model's folder."""
    server = {"http_port": port, "grpc_port": port + 1, "metrics_port": port + 2, "parallel_workers": 0, "debug": False}
    (model / "settings.json").write_text(json.dumps(server))
    loaded = {
        "name": "model",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(model / "model.joblib")},
        "inputs": [{"name": "predict", "datatype": "FP64", "shape": [-1, width]}],
        "outputs": [{"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2]}],
    }
    (model / "model-settings.json").write_text(json.dumps(loaded))
    return [str(python.parent / "mlserver"), "start", str(model)], {}


def _matrix(width: int) -> bytes:
    return json.dumps({"inputs": [list(versions.request_row(width).values())]}).encode()


def _row(width: int) -> bytes:
    return json.dumps({"rows": [versions.request_row(width)]}).encode()


def _tensor(width: int) -> bytes:
    values = list(versions.request_row(width).values())
    tensor = {"name": "predict", "shape": [1, len(values)], "datatype": "FP64", "data": values}
    return json.dumps({"inputs": [tensor], "outputs": [{"name": "predict_proba"}]}).encode()


_COMMANDS = {"mlflow": _mlflow, "litserve": _litserve, "mlserver": _mlserver, "bentoml": _bentoml}
_PATHS = {
    "mlflow": "/invocations",
    "litserve": "/predict",
    "mlserver": "/v2/models/model/infer",
    "bentoml": "/predict",
}
_BODIES = {"mlflow": _matrix, "litserve": _row, "mlserver": _tensor, "bentoml": _row}


def _python(peer: str, environments: Path) -> Path:
    place = (environments / peer).resolve()
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS[peer], "scikit-learn"], check=True)
    return python
