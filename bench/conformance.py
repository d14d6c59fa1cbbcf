"""What other servers pass of the suite for the Open Inference Protocol: `python bench/conformance.py --peers FOLDER`.

Each peer serves the same logistic regression, in an environment of its own in the folder (see `bench/serving.py`).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from served import others
from serving import free_port, process

ROOT = Path(__file__).parents[1]
_PART = re.compile(r"^(PASSED|FAILED|ERROR) conformance/(test_\w+)\.py::(\w+)(\[.*?\])?", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, required=True, help="folder of the peers' environments")
    parser.add_argument("--beside", default="mlserver,mlflow")
    options = parser.parse_args()
    for peer in options.beside.split(","):
        with others.serving(peer, options.peers, name="line", port=free_port(), process=process) as (url, body, _):
            text = run("/".join(url.split("/")[:3]), body)
        parts = sorted(set(_PART.findall(text)))
        counts = Counter(state for state, *_ in parts)
        print(f"{peer}: {', '.join(f'{count} {state.lower()}' for state, count in counts.items())}; the rest skipped")
        for state, file, test, case in parts:
            print(f"  {state.lower()} {file} {test}{case}")


def run(url: str, body: bytes) -> str:
    """What pytest says of the server at `url`, which has a model called `model`."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(body)
        file.flush()
        command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "conformance"]
        command += ["--url", url, "--model", "model", "--request", file.name]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    main()
