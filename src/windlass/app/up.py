"""`windlass up` and `windlass serve`: processes that stay."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from windlass.app.door import Door, Hear
from windlass.app.holder import Holder
from windlass.app.lease import acquire, holding
from windlass.app.timeline import Timeline
from windlass.app.tokens import prepare
from windlass.app.workspace import Workspace
from windlass.controller.context import LoopContext
from windlass.errors import LeaseLost, LedgerError, ProductError, SigningError
from windlass.product.code.loading import discover
from windlass.release.routing import read_routing
from windlass.serving.supervisor import Server
from windlass.serving.versions.trust import Trust

if TYPE_CHECKING:
    from windlass.app.act import Say

log = logging.getLogger(__name__)


def up(workspace: Workspace, *, say: Say) -> None:
    """Serve and run the loop until SIGTERM or SIGINT; then finish what is in flight and leave.

    Only one process may run the loop of a workspace: another one serves and stands by until the lease is free, and so
    does this one again when it has lost it.
    """
    stopping = _stop_on_signals()
    _log_to_file(workspace)
    entries = _entries(workspace, say)
    guarded = prepare(workspace, say=say)

    def server(hear: Hear) -> Server:
        return Server(workspace.settings, workspace.paths, on_event=hear, log=workspace.paths.log, guarded=guarded)

    door = Door(server, products=entries, say=say)
    try:
        while (context := _wait_for_lease(workspace, door, stopping, say)) is not None:
            try:
                _act(workspace, context, door, entries=entries, stopping=stopping, say=say)
            except LeaseLost as error:
                log.warning("%s", error)
                say(f"windlass: {error.what}{'' if stopping.is_set() else '; standing by again'}")
            finally:
                door.listen(None)
    finally:
        door.close()
    say("windlass: stopped")


def serve(workspace: Workspace, *, say: Say) -> None:
    """Serve the champions until SIGTERM or SIGINT; the loop is run by another process, or by nobody.

    A product that has none yet, but a model file, is served from that. Raises UsageError when nothing can answer.
    """
    from windlass.app.debut import bring_in_model_files

    stopping = _stop_on_signals()
    _log_to_file(workspace)
    bring_in_model_files(workspace, say=say)
    _sign_what_is_routed(workspace)
    guarded = prepare(workspace, say=say)
    server = Server(workspace.settings, workspace.paths, log=workspace.paths.log, guarded=guarded)
    server.start()
    say(f"windlass: serving on {server.url}")
    try:
        stopping.wait()
    finally:
        server.stop()
        say("windlass: stopped")


def _act(
    workspace: Workspace,
    context: LoopContext,
    door: Door,
    *,
    entries: dict[str, str],
    stopping: threading.Event,
    say: Say,
) -> None:
    """Run the loop until told to stop. Raises LeaseLost when another process has taken over."""
    timeline = Timeline(workspace.ledger, say=say)
    acting, unwritable = False, ""
    with ExitStack() as ending:
        ending.callback(lambda: None if acting else workspace.ledger.release(context.held()))
        _route(context)
        # A controller that did not leave in order may be frozen, and its workers be answering at this very address.
        door.open(patient=workspace.state().controller is not None)
        from windlass.controller.controller import Controller  # while the workers start

        controller = Controller(context=context, engine=workspace.engine, entries=entries)
        ending.callback(controller.abandon)
        door.listen(controller.hear)
        say(f"windlass: the loop runs as {context.held().holder}; stop it with Ctrl-C or SIGTERM")
        _say_what_is_wrong(workspace, say)
        controller.start()
        acting = True
        while not (stopping.is_set() or door.failed):
            controller.tick()
            if controller.unwritable != unwritable:
                unwritable = controller.unwritable
                say(f"windlass: {unwritable}" if unwritable else "windlass: the ledger can be used again")
            with suppress(LedgerError):  # the look has told of it, and the next one tells what is missed now
                timeline.tell()
            controller.rest(stopping, workspace.settings.poll_seconds)
    door.close(meanwhile=_keeping(context))  # what is in flight is answered and captured before the last commit
    controller.stop("the serving workers did not start" if door.failed else "asked to stop")
    door.check()


def _sign_what_is_routed(workspace: Workspace) -> None:
    """Have records signed that an earlier release has written, if nobody else runs the loop, who would do it."""
    trust, routings = Trust(workspace.paths), workspace.paths.routings.glob("*.json")
    try:
        for routing in filter(None, map(read_routing, routings)):
            trust.check(routing)
    except SigningError:
        with holding(workspace) as context:
            if context is not None:
                _route(context)


def _route(context: LoopContext) -> None:
    for name in context.state.products:
        context.route(name)


def _keeping(context: LoopContext) -> Callable[[], None]:
    """Hold the lease while workers end: they are not left half way for a ledger that is away.

    That it is away, or that the lease is lost, is raised by the next write.
    """

    def keep() -> None:
        with suppress(LedgerError):
            context.keep()

    return keep


def _entries(workspace: Workspace, say: Say) -> dict[str, str]:
    """The products of the project. While a file of theirs cannot be read, those that the workspace knows already.

    Raises ProductError when there are none, so that there is nothing to serve.
    """
    try:
        return discover(workspace.settings.project, workspace.settings.products)
    except ProductError as error:
        products = workspace.state().products.values()
        known = {product.name: product.declared.entry for product in products if product.declared is not None}
        if not known:
            raise
        log.exception("the products cannot be read")
        say(f"windlass: {error}")
        return known


def _wait_for_lease(workspace: Workspace, door: Door, stopping: threading.Event, say: Say) -> LoopContext | None:
    """The right to act, as soon as it is free; None when told to stop. Who has to wait serves meanwhile.

    A standby outlives what the holder outlives: once it waits, a ledger that cannot be asked is asked again.
    """
    ledger = workspace.ledger
    holder = Holder(seconds=workspace.settings.lease_seconds, ended=workspace.presence.ended)
    waits, news, wrong = False, False, ""
    while not stopping.is_set():
        try:
            news = holder.see(ledger.lease()) or news
            context = acquire(workspace, silent=holder.silent)
        except LedgerError as error:
            if not waits:
                raise
            if str(error) != wrong:
                wrong = str(error)
                log.exception("the lease cannot be asked for")
                say(f"windlass: {error}")
        else:
            if context is not None:
                return context
            if news:
                say(f"windlass: {holder}; standing by to take over")
                news = False
            door.open(patient=True)
            door.check()
            waits, wrong = True, ""
        stopping.wait(workspace.settings.poll_seconds)
    return None


def _say_what_is_wrong(workspace: Workspace, say: Say) -> None:
    for product in workspace.state().products.values():
        for incident in product.incidents.values():
            opened = incident.opened
            say(f"windlass: {product.name}: still open: {opened.title}: {opened.cause}\n  remedy: {opened.remedy}")


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


class LogFile(RotatingFileHandler):
    """Tells on the terminal that it cannot be written, once, and not by a traceback for each line: a full disk keeps
    everything from being written for a while."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=8 << 20, backupCount=3)
        self._told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (its name in logging)
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._told:
            self._told = True
            sys.stderr.write(f"windlass: the log cannot be written: {error.strerror} (at {self.baseFilename})\n")


def _log_to_file(workspace: Workspace) -> None:
    handler = LogFile(workspace.paths.log)
    handler.rotator = _copy_and_empty
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger("windlass")
    root.setLevel(workspace.settings.log_level.upper())
    root.addHandler(handler)
