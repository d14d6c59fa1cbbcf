"""`windlass restore`: a workspace from a backup.

Everything is copied to the side and held against the backup's digests first. The ledger comes last: as long as it is
empty there is no workspace, so a restore that was interrupted is simply begun again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from windlass.app.backup import copy_file
from windlass.app.lease import holding
from windlass.app.workspace import Workspace
from windlass.errors import LedgerCorrupt, UsageError
from windlass.lake.lake import Lake
from windlass.ledger.ledger import Ledger
from windlass.ledger.notary import Notary
from windlass.ledger.view import StateView
from windlass.records.backup import FORMAT, LEDGER, MANIFEST, Backup, BackupFile
from windlass.records.event import WorkspaceRestored
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.registry.registry import Registry
from windlass.settings import Settings
from windlass.staging import Staging

Show = Callable[[str], None]
_SIDE = ".restoring"


def restore(settings: Settings, source: Path, *, show: Show) -> Backup:
    """Bring the backup in `source` into the workspace of `settings`, which must not hold anything yet.

    Verified before it counts: every file against its digest, the ledger's chain and signatures, each version's bundle.
    Raises UsageError when there is no whole backup or the workspace is not empty, LedgerCorrupt and BundleCorrupt for
    what does not verify.
    """
    found = _read(source)
    paths = Paths(settings.workspace)
    side = paths.root / _SIDE
    _check_empty(paths, side)
    shutil.rmtree(side, ignore_errors=True)
    for file in found.files:
        show(file.path)
        copied = copy_file(source / file.path, side / file.path, root=side)
        if copied != file:
            raise UsageError(
                "the backup is damaged: a file is not what its manifest says",
                where=str(source / file.path),
                remedy="take another backup; nothing was restored",
            )
    with Ledger(f"sqlite:///{side / LEDGER}", create=False) as kept:
        show("verifying the ledger")
        _verify(kept, found, Paths(side))
        _check_versions(kept, Registry(Paths(side)), show=show)
        with Ledger(paths.ledger_url(settings.ledger)) as ledger:
            _put_in_place(side, paths)
            kept.copy_to(ledger)
    shutil.rmtree(side)
    with Workspace.open(settings) as workspace:
        _route(workspace)
        told = WorkspaceRestored(place=str(source.resolve()), sequence=found.sequence, made_at=found.made_at)
        workspace.ledger.append(told, at=workspace.clock.now(), actor=workspace.actor)
    return found


def _read(source: Path) -> Backup:
    try:
        found = msgspec.json.decode((source / MANIFEST).read_bytes(), type=Backup)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"there is no whole backup here: {MANIFEST} cannot be read",
            where=str(source),
            remedy="give the folder that `windlass backup` wrote",
        ) from error
    if found.format > FORMAT:
        raise UsageError(
            f"a newer release wrote this backup (Windlass {found.windlass})",
            where=str(source),
            remedy="pip install --upgrade windlass",
        )
    for file in found.files:
        if not _is_below(file):
            raise UsageError(f"the backup names a file outside of itself: {file.path!r}", where=str(source / MANIFEST))
    return found


def _is_below(file: BackupFile) -> bool:
    path = Path(file.path)
    return not path.is_absolute() and ".." not in path.parts


def _check_empty(paths: Paths, side: Path) -> None:
    """What an earlier restore left behind, before it came to the ledger, does not count."""
    left = [path for path in paths.root.iterdir() if path != side] if paths.root.is_dir() else []
    if left and not side.is_dir():
        raise UsageError(
            f"the workspace is not empty: there is {left[0].name}",
            where=str(paths.root),
            remedy="restore into a new one: name it with the setting `workspace`, or move the old one away",
        )
    if (paths.ledger).is_file():
        with Ledger(f"sqlite:///{paths.ledger}", create=False) as ledger:
            if ledger.head():
                raise UsageError(
                    "the workspace has a ledger already",
                    where=str(paths.ledger),
                    remedy="restore into a new one: name it with the setting `workspace`",
                )


def _verify(ledger: Ledger, found: Backup, side: Paths) -> None:
    verified = Notary(ledger, side).verify()
    if not verified.ok or verified.head != found.head:
        what = verified.problems[0] if verified.problems else "its end is not the one that the manifest names"
        raise LedgerCorrupt(f"the backup's ledger does not verify: {what}", remedy="nothing was restored; take another")


def _check_versions(ledger: Ledger, registry: Registry, *, show: Show) -> None:
    for product in StateView(ledger).refresh().products.values():
        for version in product.versions.values():
            if registry.holds(product.name, version.digest):
                show(f"verifying {product.name} {version.version}")
                registry.verify(product.name, version.digest)


def _put_in_place(side: Path, paths: Paths) -> None:
    for folder in sorted(path for path in side.iterdir() if path.is_dir()):
        place = paths.root / folder.name
        shutil.rmtree(place, ignore_errors=True)
        folder.rename(place)
    # The lake was copied after the ledger, and may have been taken over in between: no later token may be lower.
    last = Lake(paths.lake).newest_token()
    if last:
        Staging(paths.lake, Fence(holder="restored", token=last)).begin()
    signed = Paths(side).checkpoint
    if signed.exists():
        signed.replace(paths.checkpoint)


def _route(workspace: Workspace) -> None:
    """So that `windlass serve` answers at once, before any controller has run."""
    with holding(workspace) as context:
        if context is not None:  # else somebody acts already, and does this too
            for product in workspace.state().products:
                context.route(product)
