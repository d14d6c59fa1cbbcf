"""Lives of a controller, each in a process of its own that is made in milliseconds, so that it can be killed often.

Run as a program it imports everything once, and then makes a process by a fork for each line on its input. (A fork is
safe here alone: nothing has been done yet that would start threads at work, and that is checked.) Such a process is a
controller as `windlass up` runs it, on the real stores and with the real training run, but for its HTTP server, and but
for user code, which runs in the same process: a kill takes both, as the end of a machine does.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

from windlass.app.describe import describe
from windlass.app.holder import Holder
from windlass.app.lease import acquire
from windlass.app.workspace import Workspace
from windlass.clock import SharedClock
from windlass.controller.context import LoopContext
from windlass.controller.controller import Controller
from windlass.engines import wire
from windlass.engines.job import Job
from windlass.engines.worker import preload, run_task
from windlass.records.state import ProductState
from windlass.registry.environment import _installed
from windlass.settings import load_settings

PRODUCT = "lateness"
ENTRY = "lateness:Lateness"
REACHED, STUCK = 0, 3
"""How a life ends by itself: all was done that there was to do, or that did not come about."""
LOOKS = 120
_HARMLESS = {"jemalloc_bg_thd", "polars-ooc-clea"}
"""Threads that the imports start, and that hold nothing: the allocator's, made anew in a fork, and one that waits."""
_PRELOAD = (
    "sklearn.linear_model",
    "sklearn.pipeline",
    "skops.io",
    "psycopg",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "windlass.pipeline.training",
    "windlass.pipeline.declaring",
    "windlass.ledger.snapshot",
    "windlass.ledger.notary",
    "sqlalchemy.dialects.postgresql.psycopg",
    "datasketches",
)


class InlineEngine:
    """Does each job at once, in this process."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def submit(self, function: str, argument: Any = None) -> Job:
        import pickle

        job = Job(number=next(self._numbers), function=function, cancel=lambda _: None)
        task = wire.Task(number=job.number, function=function, argument=pickle.dumps(argument))
        outcome = run_task(task, job.take)  # type: ignore[arg-type]
        job.take(outcome)
        return job


def live(project: Path, champion: str) -> int:
    """Take over as soon as the lease is free, and act until `champion` answers and nothing is left to do."""
    workspace = Workspace.open(load_settings(directory=project, environment={}), create=True)
    context = _take_over(workspace)
    controller = Controller(context=context, engine=InlineEngine(), entries={PRODUCT: ENTRY})  # type: ignore[arg-type]
    controller.start()
    rest = 2  # looks after all was done, in which nothing may be done again
    for _ in range(LOOKS):
        controller.tick()
        product = context.product(PRODUCT)
        rest -= _settled(context, product, champion)
        if rest == 0:
            workspace.ledger.release(context.held())
            return REACHED
        if product.run is not None:
            _pass_the_time(workspace)  # a run that was interrupted again is taken up later
    last = workspace.ledger.events(product=PRODUCT)[-12:]
    sys.stderr.write("stuck after:\n" + "".join(f"  {event.kind}: {describe(event)}\n" for event in last))
    return STUCK


def _take_over(workspace: Workspace) -> LoopContext:
    holder = Holder(seconds=workspace.settings.lease_seconds, ended=workspace.presence.ended)
    while True:
        holder.see(workspace.ledger.lease())
        if (context := acquire(workspace, silent=holder.silent)) is not None:
            return context
        time.sleep(0.005)


def _settled(context: LoopContext, product: ProductState, champion: str) -> bool:
    answers = product.champion is not None and product.champion.version == champion
    busy = product.run, product.candidate, product.release
    return answers and not any(busy) and not context.state.pending


def _pass_the_time(workspace: Workspace) -> None:
    clock = workspace.clock
    assert isinstance(clock, SharedClock)
    clock.move_to(clock.now() + timedelta(minutes=10))


def main() -> None:
    preload(_PRELOAD)
    _installed()  # reading what is installed is a third of what a life takes, and all of them know it from here
    busy = {task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")} - _HARMLESS
    assert busy <= {Path("/proc/self/comm").read_text().strip()}, f"a process with threads must not be forked: {busy}"
    _tell("ready")
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _be_born(asked)
        _tell(child)
        _, status = os.waitpid(child, 0)
        _tell(os.waitstatus_to_exitcode(status))


def _tell(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _be_born(asked: dict[str, Any]) -> None:
    """Never comes back: what follows in `main` is the parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.close(0)
    code = STUCK
    try:
        code = live(Path(asked["project"]), asked["champion"])
    except Exception:  # noqa: BLE001 (the process ends here, whatever went wrong in it)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
