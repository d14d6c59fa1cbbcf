"""`windlass reproduce`: train a version again and say whether the two agree."""

from __future__ import annotations

from windlass.app.queries import the_product
from windlass.app.version import the_version
from windlass.app.workspace import Workspace
from windlass.ledger.erasures import read_since
from windlass.pipeline.reproducing import Reproduced, ReproduceRequest
from windlass.pipeline.steps.progress import Emit, ProgressMessage
from windlass.records.event import VersionReproduced
from windlass.records.ids import new_id

_REPRODUCE = "windlass.pipeline.reproducing:reproduce"
_BLINK = 0.05  # seconds between two looks at the run


def reproduce(workspace: Workspace, version: str, *, product: str | None, show: Emit) -> Reproduced:
    """In a process of its own, beside whatever runs; what came of it is put on record.

    Raises UsageError for a version that is not known or was not trained here, and what the training raises.
    """
    state = the_product(workspace, product)
    found = the_version(state, version)
    pinned = workspace.registry.manifest(state.name, found.digest).pin
    pin, erased = (None, None) if pinned is None else read_since(workspace.ledger, state.name, version, pinned)
    request = ReproduceRequest(
        settings=workspace.settings,
        product=state.name,
        version=version,
        digest=found.digest,
        pin=pin,
        erased=erased,
        run=new_id("run", workspace.clock.now()),
    )
    job = workspace.engine.submit(_REPRODUCE, request)
    over = False
    while not over:
        over = job.wait(_BLINK)
        for message in job.messages():
            if isinstance(message, ProgressMessage):
                show(message)
    result: Reproduced = job.result()
    told = VersionReproduced(
        version=version,
        digest=found.digest,
        same=result.same,
        rows=result.rows,
        differing=result.differing,
        largest=min(result.largest, 1e300),  # answers of another shape are infinitely far, which JSON cannot say
        reasons=result.reasons,
    )
    workspace.ledger.append(told, at=workspace.clock.now(), actor=workspace.actor, product=state.name)
    return result
