"""`windlass backup`: one consistent copy of a workspace, while it runs.

What refers to something is copied before what it refers to may go, and what may only grow is copied last:

1. the ledger, at one moment: it names the versions and the training sets;
2. segments: what was answered and is not in the lake yet. Copied before the lake, since a segment goes away only once
   the lake has it. A record that is in both is told by its position, and counts once;
3. the lake's tables: they hold at least what the ledger speaks of, and pins go by sequence, so more does no harm;
4. the bundles of all versions, and the logs of runs.

With the ledger go its last signature and the public keys that are trusted. Left out are the private key, which is not
to lie wherever backups lie, the outputs of steps, which are made again, and routing, which follows from the ledger.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from windlass import __version__
from windlass.app.workspace import Workspace
from windlass.errors import UsageError
from windlass.ledger.checkpoints import write_outside
from windlass.ledger.ledger import Ledger
from windlass.records.backup import LEDGER, MANIFEST, Backup, BackupFile
from windlass.records.event import BackupMade
from windlass.records.paths import Paths
from windlass.registry.files import sync, walk

Show = Callable[[str], None]
"""Told what is being copied."""
_CHUNK = 1 << 20


def backup(workspace: Workspace, target: Path, *, show: Show) -> Backup:
    """Copy `workspace` into the folder `target`, which must not exist or be empty.

    It gets its name when it is whole: what a crash leaves is beside it, and no backup. Raises UsageError when the place
    cannot be had, with nothing left behind.
    """
    place = target.resolve()
    _check_place(place, workspace)
    partial = place.with_name(f".{place.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        made = _copy(workspace, partial, show=show)
        for folder, _, _ in os.walk(partial, topdown=False):
            sync(Path(folder))
        if place.exists():
            place.rmdir()
        partial.rename(place)
        sync(place.parent)
    except OSError as error:
        raise UsageError(
            f"the backup cannot be written: {error.strerror}",
            where=str(error.filename or place),
            remedy="give a folder that is empty or new, on a disk with room for a copy of the workspace",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    told = BackupMade(place=str(place), sequence=made.sequence, files=len(made.files), bytes=made.bytes)
    workspace.ledger.append(told, at=workspace.clock.now(), actor=workspace.actor)
    return made


def _check_place(place: Path, workspace: Workspace) -> None:
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise UsageError("there is something already", where=str(place), remedy="give a folder that is empty or new")
    if place.is_relative_to(workspace.paths.root.resolve()):
        raise UsageError(
            "a backup inside the workspace goes with it",
            where=str(place),
            remedy="give a folder outside, on another disk",
        )


def _copy(workspace: Workspace, folder: Path, *, show: Show) -> Backup:
    now = workspace.clock.now()
    show("ledger")
    with Ledger(f"sqlite:///{folder / LEDGER}") as copied:
        sequence, head = workspace.ledger.copy_to(copied)
        signed = copied.last_checkpoint()
    root, inside = workspace.paths.root, Paths(folder)
    files = [_described(folder / LEDGER, folder)]
    if signed is not None:  # not the workspace's file: by now that may sign more than what was copied
        write_outside(inside.checkpoint, signed)
        files.append(_described(inside.checkpoint, folder))
    for path in _files(workspace, show=show):
        try:
            files.append(copy_file(path, folder / path.relative_to(root), root=folder))
        except FileNotFoundError:
            if not _may_go(path, workspace):
                raise
    made = Backup(
        windlass=__version__, made_at=now, sequence=sequence, head=head, files=tuple(files), missing=_missing(workspace)
    )
    with (folder / MANIFEST).open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(made), indent=1))
        file.flush()
        os.fsync(file.fileno())
    return made


def _files(workspace: Workspace, *, show: Show) -> Iterator[Path]:
    """What is copied, in its order; each file is copied before the next is asked for."""
    paths, state = workspace.paths, workspace.state()
    yield from sorted(paths.keys.glob("*.pub"))
    show("segments")
    yield from _below(paths.root / "segments")
    for table in workspace.lake.tables():
        show(f"{table.product}: {table.table}, {table.rows:,} rows")
        with workspace.lake.held(table.product, table.table) as held:
            yield from held
    for product in state.products.values():
        for version in product.versions.values():
            show(f"{product.name}: {version.version}")
            yield from _below(paths.bundle(product.name, version.digest))
        yield from _below(paths.run(product.name, "any").parent)
        yield from _below(paths.reference(product.name, "any").parent)


def _missing(workspace: Workspace) -> tuple[str, ...]:
    return tuple(
        f"{product.name} {version.version}"
        for product in workspace.state().products.values()
        for version in product.versions.values()
        if not version.retired and not workspace.registry.holds(product.name, version.digest)
    )


def _may_go(path: Path, workspace: Workspace) -> bool:
    """Segments go once they are in the lake, which is copied after them; logs go with their runs."""
    root = workspace.paths.root
    return path.is_relative_to(root / "segments") or path.is_relative_to(root / "artifacts")


def _below(folder: Path) -> list[Path]:
    return walk(folder) if folder.is_dir() else []


def copy_file(source: Path, target: Path, *, root: Path) -> BackupFile:
    """Copy as far as the file goes now, onto the disk; its digest is of what was written."""
    digest, size = hashlib.sha256(), 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as reader, target.open("xb") as writer:
        while chunk := reader.read(_CHUNK):
            digest.update(chunk)
            size += writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return BackupFile(path=target.relative_to(root).as_posix(), bytes=size, sha256=digest.hexdigest())


def _described(path: Path, root: Path) -> BackupFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    sync(path)
    return BackupFile(path=path.relative_to(root).as_posix(), bytes=path.stat().st_size, sha256=digest)
