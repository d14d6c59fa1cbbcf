"""How long it takes until an answer is seen by monitoring: from the HTTP answer until its row can be read in the lake.

    python bench/visible.py [--times 200]

A real `windlass up` with the settings as they come. One caller asks at random moments and then reads the lake, as
whatever monitors does, until his row is there. Prints the median, the 99th percentile and the longest; ends with 1 if
the 99th percentile is a second or more.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from lateness import PRODUCT, found_within, free_port, row_of, up, write_project

from windlass.lake.lake import Lake
from windlass.records.paths import Paths


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200)
    options = parser.parse_args()
    dice, port = random.Random(0), free_port()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_project(folder, port=port)
        lake = Lake(Paths(folder / ".windlass").lake)
        with up(folder):
            if not found_within(60, lambda: ask(port, dice)):
                sys.exit((folder / "said").read_text())
            took = [seen_after(lake, ask(port, dice), dice) for _ in range(options.times)]
    p50, p99, longest = np.quantile(took, [0.5, 0.99, 1.0])
    print(
        f"visible after {p50:.2f} s (median), {p99:.2f} (99 of 100), {longest:.2f} at most, of {options.times}; ",
        end="",
    )
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    return int(p99 >= 1)


def ask(port: int, dice: random.Random) -> str | None:
    """The id of an answer; None if there is none yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", f"/{PRODUCT}/predict", json.dumps({"rows": [row_of(dice)[0]]}))
        reply = connection.getresponse()
        told = json.loads(reply.read())
    except ConnectionError:
        return None
    finally:
        connection.close()
    return str(told["predictions"][0]["id"]) if reply.status == 200 else None


def seen_after(lake: Lake, prediction: str | None, dice: random.Random) -> float:
    """Seconds until the row is there; then a moment goes by, so that the next one comes at any time between looks."""
    assert prediction is not None
    began = time.monotonic()
    seen = found_within(
        60,
        lambda: lake.predictions(PRODUCT, prediction_id=prediction, columns=["prediction_id"]).height,
        every=0.005,
    )
    assert seen == 1, f"{prediction} is not in the lake"
    took = time.monotonic() - began
    time.sleep(dice.uniform(0, 0.5))
    return took


if __name__ == "__main__":
    raise SystemExit(main())
