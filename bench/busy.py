"""What a fit takes on a machine that has other work to do: with threads left alone, which spin, and ones that sleep.

Run: python bench/busy.py. As many processes as there are cores count in the background, or `--load N`; each fit runs in
a process of its own, since the policy is read when the library is loaded.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from statistics import median

_FIT = """
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
_POLICIES = {"left alone": None, "sleeping": "PASSIVE"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--load", type=int, default=os.cpu_count(), help="processes in the background")
    parser.add_argument("--fits", type=int, default=3)
    given = parser.parse_args()
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(given.load)]
    try:
        print(f"{given.load} processes in the background on {os.cpu_count()} cores, {given.fits} fits each")
        for name, policy in _POLICIES.items():
            print(f"  {name:<10} {median(_seconds(policy) for _ in range(given.fits)):6.2f} s a fit")
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _seconds(policy: str | None) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    if policy is not None:
        environment["OMP_WAIT_POLICY"] = policy
    done = subprocess.run([sys.executable, "-c", _FIT], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
