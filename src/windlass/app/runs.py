"""Two runs side by side, named by their ids or by the versions that they made."""

from __future__ import annotations

from windlass.app.queries import the_product
from windlass.app.workspace import Workspace
from windlass.errors import UsageError
from windlass.pipeline.notes.compare import Comparison, compare_runs


def compare(workspace: Workspace, a: str, b: str, *, product: str | None) -> Comparison:
    """Parameters, metrics, data, code and environment of both, what differs first."""
    first, second = (_run(workspace, name, product) for name in (a, b))
    return compare_runs(workspace.ledger, first, second, paths=workspace.paths)


def _run(workspace: Workspace, name: str, product: str | None) -> str:
    if not name.removeprefix("v").isdigit():
        return name
    version = the_product(workspace, product).versions.get(name)
    if version is None or version.run is None:
        why = "was imported, so no run made it" if version is not None else "does not exist"
        raise UsageError(f"the version {name!r} {why}", remedy="`windlass versions` and `windlass runs` list them")
    return version.run
