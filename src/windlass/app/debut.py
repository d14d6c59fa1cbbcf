"""A first champion for products that start from a model file, where no loop runs that would see to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from windlass.app.act import release_candidate
from windlass.app.lease import holding
from windlass.app.workspace import Workspace
from windlass.controller.context import LoopContext
from windlass.controller.declarations import Declarations
from windlass.controller.incidents import Incidents
from windlass.errors import UsageError, WindlassError
from windlass.product.code.loading import discover


def bring_in_model_files(workspace: Workspace, *, say: Callable[[str], None]) -> None:
    """Make the model file of each product without a champion its first version, and let that answer.

    Left to whoever holds the lease, if somebody does. What is wrong with a product is raised if nothing else can be
    served, and said if something can; UsageError when there is nothing to serve at all.
    """
    try:
        entries = discover(workspace.settings.project, workspace.settings.products)
    except WindlassError:
        if _serves(workspace):  # a host that only serves has no code of the products
            return
        raise
    known = workspace.state().products
    waiting = {name: entry for name, entry in entries.items() if name not in known or known[name].champion is None}
    if not waiting:
        return
    with holding(workspace) as context:
        if context is None:
            return
        try:
            wrong = _bring_in(workspace, context, waiting, say)
        finally:
            workspace.engine.close()  # the server has no use for the process of user code
    if not _serves(workspace):
        raise wrong[0] if wrong else _nothing(workspace)
    for error in wrong:
        say(f"windlass: {error}")


def _bring_in(
    workspace: Workspace, context: LoopContext, entries: Mapping[str, str], say: Callable[[str], None]
) -> list[WindlassError]:
    """What stood in the way, product by product."""
    incidents = Incidents(context=context)
    products = Declarations(context=context, engine=workspace.engine, incidents=incidents, entries=dict(entries))
    wrong = []
    for name in entries:
        try:
            products.read(name)
            release_candidate(context, name)
        except WindlassError as error:
            wrong.append(error)
        champion = context.product(name).champion
        if champion is not None:
            say(f"windlass: {name}: {champion.version} is made from the model file and answers")
    return wrong


def _serves(workspace: Workspace) -> bool:
    return any(product.champion is not None for product in workspace.state().products.values())


def _nothing(workspace: Workspace) -> UsageError:
    return UsageError(
        "no product has a version that could answer",
        where=str(workspace.settings.project),
        remedy="run `windlass train` first, or `windlass up`, which trains and serves",
    )
