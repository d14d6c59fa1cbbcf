"""`windlass up` and `windlass serve`: processes that stay."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from types import FrameType

from windlass.app.act import context_for, holder_name
from windlass.app.debut import bring_in_model_files
from windlass.app.workspace import Workspace
from windlass.controller.controller import Controller
from windlass.errors import LedgerError, WindlassError
from windlass.product.code.loading import discover
from windlass.records.lease import Fence
from windlass.serving.supervisor import Server

log = logging.getLogger(__name__)

Say = Callable[[str], None]


def up(workspace: Workspace, *, say: Say) -> None:
    """Serve and run the loop until SIGTERM or SIGINT; then finish what is in flight and leave."""
    stopping = _stop_on_signals()
    _log_to_file(workspace)
    entries = discover(workspace.settings.project, workspace.settings.products)
    fence = _wait_for_lease(workspace, stopping, say)
    if fence is None:
        return
    context = context_for(workspace, fence)
    controller = Controller(context=context, engine=workspace.engine, entries=entries)
    server = Server(workspace.settings, workspace.paths, on_event=controller.hear, log=workspace.paths.log)
    try:
        server.start()
    except WindlassError:
        workspace.ledger.release(fence)
        raise
    say(f"windlass: serving on {server.url} ({', '.join(entries)})")
    say(f"windlass: the loop runs as {fence.holder}; stop it with Ctrl-C or SIGTERM")
    try:
        controller.start()
        _say_what_is_wrong(workspace, say)
        while not stopping.is_set():
            controller.tick()
            controller.rest(stopping, workspace.settings.poll_seconds)
    finally:
        server.stop()  # first: what is in flight is answered and captured before the last commit
    controller.stop("asked to stop")
    say("windlass: stopped")


def serve(workspace: Workspace, *, say: Say) -> None:
    """Serve the champions until SIGTERM or SIGINT; the loop is run by another process, or by nobody.

    A product that has none yet, but a model file, is served from that. Raises UsageError when nothing can answer.
    """
    stopping = _stop_on_signals()
    _log_to_file(workspace)
    bring_in_model_files(workspace, say=say)
    server = Server(workspace.settings, workspace.paths, log=workspace.paths.log)
    server.start()
    say(f"windlass: serving on {server.url}")
    try:
        stopping.wait()
    finally:
        server.stop()
        say("windlass: stopped")


def _wait_for_lease(workspace: Workspace, stopping: threading.Event, say: Say) -> Fence | None:
    """The lease, as soon as it is free; None when told to stop.

    A standby outlives what the holder outlives: once it waits, a ledger that cannot be asked is asked again.
    """
    ledger, told, wrong = workspace.ledger, False, ""
    while not stopping.is_set():
        try:
            fence = ledger.acquire(holder_name(workspace), workspace.settings.lease_seconds)
            lease = ledger.lease() if fence is None and not told else None
        except LedgerError as error:
            if not told:
                raise
            if str(error) != wrong:
                wrong = str(error)
                log.exception("the lease cannot be asked for")
                say(f"windlass: {error}")
        else:
            if fence is not None:
                return fence
            if not told:
                holder = lease.holder if lease else "another controller"
                say(f"windlass: {holder} holds the lease; waiting to take over")
            told, wrong = True, ""
        stopping.wait(workspace.settings.poll_seconds)
    return None


def _say_what_is_wrong(workspace: Workspace, say: Say) -> None:
    for product in workspace.state().products.values():
        for incident in product.incidents.values():
            say(f"windlass: {product.name}: {incident.opened.title}: {incident.opened.cause}")


def _stop_on_signals() -> threading.Event:
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (the signature of a handler)
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopping


def _copy_and_empty(source: str, destination: str) -> None:
    """Rotate without a rename: workers have the file open too, and would go on writing into the old one."""
    shutil.copyfile(source, destination)
    os.truncate(source, 0)


def _log_to_file(workspace: Workspace) -> None:
    handler = RotatingFileHandler(workspace.paths.log, maxBytes=8 << 20, backupCount=3)
    handler.rotator = _copy_and_empty
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger("windlass")
    root.setLevel(workspace.settings.log_level.upper())
    root.addHandler(handler)
