"""What the new holder of the lease does before anything else."""

from __future__ import annotations

import logging

from windlass.controller.context import LoopContext
from windlass.crashpoints import crashpoint
from windlass.errors import UsageError
from windlass.staging import Staging

log = logging.getLogger(__name__)


def take_over(context: LoopContext) -> None:
    """Make void whatever a predecessor has prepared, in every store, however long ago and wherever it was stopped.

    The order matters (docs/explanation/crashes.md). When this returns, nobody but processes under this fence can change
    the ledger, the artifacts, the registry, the routing or the lake. It is done whenever the lease was acquired, also
    from somebody who gave it back in good order: it costs a commit for each table, and needs no trust in anybody.

    Raises LeaseLost when somebody else has taken over meanwhile, UsageError when the workspace cannot be written.
    """
    crashpoint("takeover.leased")
    stagings = [Staging(store, context.held()) for store in context.paths.stores]
    try:
        for staging in stagings:
            staging.begin()
            crashpoint("takeover.begun")
        # Who takes over after this finds these folders. Who took over before it makes this fail.
        context.ledger.renew(context.held(), context.settings.lease_seconds)
        crashpoint("takeover.renewed")
        for staging in stagings:
            staging.retire_predecessors()
            crashpoint("takeover.retired")
    except OSError as error:
        raise UsageError(
            f"the workspace cannot be taken over: {error.strerror}",
            where=str(error.filename),
            remedy="this user must be able to write to it, and its disk must have space",
        ) from error
    # No table of a predecessor's can appear any more, so these are all.
    for problem in context.lake.claim(between=context.keep):
        log.error("a table cannot be taken over: %s", problem)
    crashpoint("takeover.claimed")
    for staging in stagings:
        staging.clear_retired()
