"""Other servers around the same models, each in an environment of its own with the newest release from PyPI."""

from __future__ import annotations

import json
import subprocess
import venv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from served import versions

PEERS = ("mlflow", "litserve")
HERE = Path(__file__).parent
Process = Callable[..., AbstractContextManager[None]]


@contextmanager
def serving(peer: str, environments: Path, *, name: str, port: int, process: Process) -> Iterator[tuple[str, bytes]]:
    """`peer` with the model `name` (`line` or `forest`); where to send which body."""
    python = _python(peer, environments)
    model = environments / f"{name}-{peer}"
    subprocess.run([python, HERE / "keep.py", peer, name, model], check=True, cwd=HERE)
    if peer == "mlflow":
        command = [str(python), "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local"]
        command += ["--port", str(port), "--workers", "1"]
        body, path = json.dumps({"inputs": [list(versions.request_row().values())]}).encode(), "invocations"
    else:
        command = [str(python), "with_litserve.py", str(model), str(port)]
        body, path = versions.body(), "predict"
    with process(command, port=port, PATH=f"{python.parent}:/usr/bin:/bin"):
        yield f"http://127.0.0.1:{port}/{path}", body


def _python(peer: str, environments: Path) -> Path:
    place = (environments / peer).resolve()
    python = place / "bin" / "python"
    if not python.exists():
        venv.create(place, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", peer, "scikit-learn"], check=True)
    return python
