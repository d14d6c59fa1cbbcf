"""The kinds `workspace.cleaned`, `version.retired` and `data.erased`."""

from __future__ import annotations

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No table changes: older releases must not act on half the story."""
