"""How long a step back takes: `windlass rollback VERSION`, until that version answers over HTTP.

    python bench/rollback.py [--times 10]

A real `windlass up`, its worker, and the command in a process of its own each time, from one of two versions to the
other and back. Measured are the time until the worker answers with it and until the command has said so; and, for the
share that is Python's, `windlass --version`. Prints medians and the longest.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from lateness import line, run
from withdrawn import Harm, Trial


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), Harm())
        with trial.up():
            trial.write(ask="pass", c=0.1)
            trial.train()
            trial.wait_until(lambda: trial.version() == "v2")
            pairs = [step_back(trial, f"v{1 + place % 2}") for place in range(options.times)]
        starts = [timed(trial, "--version") for _ in range(options.times)]
    answers, says = zip(*pairs, strict=True)
    for what, seconds in {"it answers": answers, "the command has ended": says, "windlass --version": starts}.items():
        print(f"{what:<24} {statistics.median(seconds):.2f} s ({max(seconds):.2f})")
    print(f"load {os.getloadavg()[0]:.1f} at the end")


def step_back(trial: Trial, version: str) -> tuple[float, float]:
    """Seconds until `version` answers, and until the command has ended."""
    words = line(trial.folder, "rollback", version, "--reason", "a bench")
    began = time.monotonic()
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as command:
        while trial.version() != version:
            if command.poll():
                raise SystemExit(f"the command has failed: {command.stdout and command.stdout.read()}")
            time.sleep(0.005)
        answers = time.monotonic() - began
        command.communicate()
    return answers, time.monotonic() - began


def timed(trial: Trial, *words: str) -> float:
    began = time.monotonic()
    run(trial.folder, *words)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
