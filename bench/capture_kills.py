"""Kill whoever captures, and whoever brings it into the lake, and count what was acknowledged and is not there.

    python bench/capture_kills.py [--kills 1000] [--durability process] [--writers 2] [--seed 1]

A writer is a process that appends answers to its segments (a new segment every hundred or so) and says of each batch
when it is safe. Some write at a time while a committer brings in what there is without pause. Each is killed with
signal 9 after a random time, and so is the committer at every tenth; others take their places. In the end what was
acknowledged is compared with the lake. Then 64 writers append at once. Ends with 1 if a row was lost or is there twice,
or an append failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from crashes.capture import play, together


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--durability", choices=["process", "power"], default="process")
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--appends", type=int, default=1000, help="of each of the 64")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = play(
            Path(folder),
            kills=options.kills,
            seed=options.seed,
            writers=options.writers,
            durability=options.durability,
        )
    print(f"{found.writers_killed} writers and {found.committers_killed} committers killed: ", end="")
    print(f"{found.acknowledged:,} rows acknowledged, {found.lost} lost, {found.twice} twice; ", end="")
    print(f"{found.more:,} more were written; files left: {len(found.left)}; {time.monotonic() - began:.0f} s")
    with (
        tempfile.TemporaryDirectory() as folder,
        together(Path(folder), writers=64, appends=options.appends) as writers,
    ):
        failed = sum(writer.wait() != 0 for writer in writers)
    print(f"64 writers, {options.appends:,} appends each: {failed} failed; load {os.getloadavg()[0]:.1f} at the end")
    return int(bool(found.lost or found.twice or found.left or failed))


if __name__ == "__main__":
    raise SystemExit(main())
