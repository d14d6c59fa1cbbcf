"""The whole message of a failed run, which may show values of rows: it stands in a log, and not in the ledger."""

from __future__ import annotations

from windlass.app.workspace import Workspace
from windlass.pipeline.steps.step import said_in
from windlass.records.event import RunFailed


def said(workspace: Workspace, failed: RunFailed) -> str:
    """What the error said; once its log is gone, what the ledger tells."""
    if not failed.log:
        return failed.message
    try:
        return said_in(workspace.paths.root / failed.log).read_text(encoding="utf-8")
    except FileNotFoundError:
        return failed.message
