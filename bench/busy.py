"""What a fit takes on a machine that has other work to do: with threads left alone, which spin, and ones that sleep.

Run: python bench/busy.py. As many processes as there are cores count in the background, or `--load N`; each fit runs in
a process of its own, since the policy is read when the library is loaded. Boosting waits in OpenMP, a regression in
OpenBLAS.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from statistics import median

from windlass.cli.main import PATIENT_THREADS

_BOOSTING = """
import time
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
random = np.random.default_rng(0)
rows = random.normal(size=(20_000, 16))
labels = (rows[:, 0] > 0).astype(int)
started = time.perf_counter()
HistGradientBoostingClassifier(early_stopping=False).fit(rows, labels)
print(time.perf_counter() - started)
"""
_REGRESSION = """
import time
import numpy as np
from sklearn.linear_model import LogisticRegression
random = np.random.default_rng(0)
rows = random.normal(size=(1_200, 2))
labels = rows[:, 0] + random.normal(size=1_200) > 0
LogisticRegression().fit(rows, labels)
started = time.perf_counter()
for _ in range(30):
    LogisticRegression().fit(rows, labels)
print((time.perf_counter() - started) / 30)
"""
_FITS = {"boosting, 20,000 rows of 16": _BOOSTING, "regression, 1,200 rows of 2": _REGRESSION}
_POLICIES: dict[str, Mapping[str, str]] = {"left alone": {}, "sleeping": PATIENT_THREADS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--load", type=int, default=os.cpu_count(), help="processes in the background")
    parser.add_argument("--fits", type=int, default=3)
    given = parser.parse_args()
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(given.load)]
    try:
        print(f"{given.load} processes in the background on {os.cpu_count()} cores, {given.fits} fits each")
        for fit, code in _FITS.items():
            for name, policy in _POLICIES.items():
                print(
                    f"  {fit:<28} {name:<10} {median(_seconds(code, policy) for _ in range(given.fits)):8.4f} s a fit"
                )
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _seconds(code: str, policy: Mapping[str, str]) -> float:
    environment = {name: value for name, value in os.environ.items() if name not in PATIENT_THREADS}
    environment.update(policy)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
