"""Copies of a workspace that is being written to, and workspaces made of them again."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl
import pytest

from windlass.app.backup import backup, copy_file
from windlass.app.lease import holding
from windlass.app.restore import restore
from windlass.app.workspace import Workspace
from windlass.controller.context import LoopContext
from windlass.errors import BundleCorrupt, LedgerCorrupt, SigningError, UsageError, WindlassError
from windlass.lake.segments import SegmentWriter
from windlass.ledger.chain import Link
from windlass.ledger.ledger import Ledger
from windlass.records.backup import MANIFEST, Backup, BackupFile
from windlass.records.capture import PredictionBatch
from windlass.records.checkpoint import Checkpoint
from windlass.records.event import BackupMade, ProductPaused, WorkspaceRestored
from windlass.records.routing import ANSWERED, Routing
from windlass.registry.registry import Registry
from windlass.settings import Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PRODUCT = "lateness"
FIXTURE = Path(__file__).parents[2] / "fixtures" / "workspaces" / "0.1.0.tar.gz"


def silent(_what: str) -> None:
    """Progress that nobody looks at."""


@pytest.fixture
def running(tmp_path: Path, ledger_url: str) -> Iterator[Workspace]:
    """A whole workspace: versions, a release, answers in the lake and on their way; its ledger in either database."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path / "running", filter="data")
    settings = Settings(project=tmp_path / "running", workspace=tmp_path / "running" / ".windlass", ledger=ledger_url)
    with Ledger(f"sqlite:///{settings.workspace / 'ledger.db'}") as old, Ledger(ledger_url) as ledger:
        old.copy_to(ledger)
    (settings.workspace / "ledger.db").unlink()
    with Workspace.open(settings) as workspace:
        yield workspace


@pytest.fixture
def elsewhere(tmp_path: Path, new_ledger_url: Callable[[], str]) -> Settings:
    return Settings(project=tmp_path / "new", workspace=tmp_path / "new" / ".windlass", ledger=new_ledger_url())


def batch(name: str) -> PredictionBatch:
    return PredictionBatch(
        request_id=name,
        at=NOON,
        version="v1",
        stage="champion",
        latency_ms=1.0,
        ids=(name,),
        keys=(None,),
        event_times=(None,),
        scores=(0.5,),
        rows=(b"{}",),
    )


def answered(workspace: Workspace) -> list[str]:
    """The ids of all answers that somebody got, once what is on its way has been taken into the lake."""
    with holding(workspace) as held:
        take_in(held)
    return workspace.lake.predictions(PRODUCT, stages=ANSWERED)["prediction_id"].to_list()


def take_in(held: LoopContext | None) -> None:
    """Bring all that is on its way into the lake."""
    assert held is not None
    held.lake.commit_segments(PRODUCT, held.paths.segments(PRODUCT), NOON)


def test_what_is_restored_is_what_was_there(running: Workspace, elsewhere: Settings, tmp_path: Path) -> None:
    made = backup(running, tmp_path / "copy", show=silent)
    expected = running.state()
    restore(elsewhere, tmp_path / "copy", show=silent)
    with Workspace.open(elsewhere) as restored:
        events = restored.ledger.events()
        assert [event for event in events if event.sequence <= made.sequence] == running.ledger.events()[:-1]
        assert isinstance(running.ledger.events()[-1].body, BackupMade)
        assert isinstance(events[-1].body, WorkspaceRestored)
        assert restored.ledger.verify().ok
        state = restored.state()
        assert state.products.keys() == expected.products.keys()
        for name, product in expected.products.items():
            assert state.products[name] == product
            for version in product.versions.values():
                rows = restored.lake.examples(name, restored.lake.sources(name)[0]).drop("late").head(5)
                theirs, ours = (
                    Registry(paths).open(name, version.digest).predict(rows).scores.tolist()
                    for paths in (running.paths, restored.paths)
                )
                assert ours == theirs
        routing = msgspec.json.decode(restored.paths.routing(PRODUCT).read_bytes(), type=Routing)
        assert routing.champion is not None
        assert routing.champion.version == "v1"
        assert sorted(answered(restored)) == sorted(answered(running))


def test_nothing_is_lost_or_doubled_while_answers_come_in(
    running: Workspace, elsewhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before every single file is copied, answers are given and, every third time, brought into the lake."""
    writer = SegmentWriter(running.paths.segments(PRODUCT) / "w9", rotate_bytes=4_000)
    acknowledged: list[str] = []

    def meanwhile(source: Path, target: Path, *, root: Path) -> BackupFile:
        for _ in range(5):
            name = f"new{len(acknowledged)}-0"
            writer.append(batch(name))
            acknowledged.append(name)
        if len(acknowledged) % 3 == 0:
            take_in(held)
        return copy_file(source, target, root=root)

    monkeypatch.setattr("windlass.app.backup.copy_file", meanwhile)
    for number in range(2):
        before = set(acknowledged)
        with holding(running) as held:  # as a controller that is at work does
            backup(running, tmp_path / f"copy{number}", show=silent)
        settings = msgspec.structs.replace(elsewhere, workspace=tmp_path / f"restored{number}", ledger="")
        restore(settings, tmp_path / f"copy{number}", show=silent)
        with Workspace.open(settings) as restored:
            found = answered(restored)
        assert len(found) == len(set(found)), "an answer is there twice"
        assert before <= set(found), "an answer that was acknowledged before the backup began is not in it"
        assert {name for name in found if name.startswith("new")} <= set(acknowledged)
    assert len(acknowledged) > 100


def test_a_table_with_an_old_log_is_copied_with_its_checkpoint(running: Workspace, tmp_path: Path) -> None:
    writer = SegmentWriter(running.paths.segments(PRODUCT) / "w9")
    with holding(running) as held:
        for number in range(70):
            writer.append(batch(f"new{number}-0"))
            take_in(held)
    log = running.paths.lake / PRODUCT / "predictions" / "_delta_log"
    checkpoint = max(log.glob("*.checkpoint.parquet"))
    for commit in log.glob("*.json"):
        if commit.name < checkpoint.name:
            commit.unlink()  # as Delta does once they are old
    backup(running, tmp_path / "copy", show=silent)
    settings = Settings(project=tmp_path, workspace=tmp_path / "restored")
    restore(settings, tmp_path / "copy", show=silent)
    with Workspace.open(settings) as restored:
        assert {f"new{number}-0" for number in range(70)} <= set(answered(restored))


def test_the_signatures_go_along_and_the_private_key_does_not(
    running: Workspace, elsewhere: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sign(workspace: Workspace) -> Checkpoint:
        return workspace.notary.sign(at=NOON, actor="ada")

    signed = sign(running)
    copy_to = Ledger.copy_to

    def and_sign(self: Ledger, other: Ledger) -> Link:
        head = copy_to(self, other)
        running.ledger.append(ProductPaused(reason="later"), at=NOON, actor="ada", product=PRODUCT, fence=fence)
        sign(running)  # what is outside of the ledger is newer than the copy by now
        return head

    fence = running.ledger.acquire("one", 60)
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "copy_to", and_sign)
        backup(running, tmp_path / "copy", show=silent)
    assert not list((tmp_path / "copy").rglob("*.pem"))
    restore(elsewhere, tmp_path / "copy", show=silent)
    with Workspace.open(elsewhere) as restored:
        found = restored.notary.verify()
        assert (found.ok, found.signed_upto, found.key) == (True, signed.sequence, signed.key), found.problems
        with pytest.raises(SigningError, match=r"cannot be read[\s\S]*rotate-key --lost"):
            sign(restored)
        restored.notary.rotate(at=NOON, actor="ada", reason="restored", lost=True)
        assert restored.notary.verify().ok


# -- what is not restored ----------------------------------------------------------------------------------------


@pytest.fixture
def copy(running: Workspace, tmp_path: Path) -> Path:
    backup(running, tmp_path / "copy", show=silent)
    return tmp_path / "copy"


def rewrite(copy: Path, path: str, content: bytes, *, admit: bool) -> None:
    """Change a file of a backup; `admit`: and the manifest with it, as somebody would who knows how it is made."""
    (copy / path).chmod(0o644)
    (copy / path).write_bytes(content)
    if admit:
        found = msgspec.json.decode((copy / MANIFEST).read_bytes(), type=Backup)
        again = [
            msgspec.structs.replace(file, bytes=len(content), sha256=_sha256(content)) if file.path == path else file
            for file in found.files
        ]
        (copy / MANIFEST).write_bytes(msgspec.json.encode(msgspec.structs.replace(found, files=tuple(again))))


def _sha256(content: bytes) -> str:
    from hashlib import sha256

    return sha256(content).hexdigest()


def model_of(copy: Path) -> str:
    return next(path for path in copy.glob("registry/**/model/*")).relative_to(copy).as_posix()


def test_a_damaged_backup_is_not_restored(copy: Path, elsewhere: Settings) -> None:
    rewrite(copy, model_of(copy), b"other", admit=False)
    with pytest.raises(UsageError, match="not what its manifest says"):
        restore(elsewhere, copy, show=silent)
    assert not Path(elsewhere.workspace, "registry").exists()
    with Ledger(elsewhere.ledger) as ledger:
        assert ledger.head() == 0


def test_a_forged_backup_is_not_restored(copy: Path, elsewhere: Settings) -> None:
    """Its digests fit, but not those that the ledger knows."""
    rewrite(copy, model_of(copy), b"other", admit=True)
    with pytest.raises(BundleCorrupt):
        restore(elsewhere, copy, show=silent)


def test_a_backup_whose_ledger_was_changed_is_not_restored(copy: Path, elsewhere: Settings) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine(f"sqlite:///{copy / 'ledger.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE events SET actor = 'mallory' WHERE sequence = 7"))
    engine.dispose()
    rewrite(copy, "ledger.db", (copy / "ledger.db").read_bytes(), admit=True)
    with pytest.raises(LedgerCorrupt, match="event 7"):
        restore(elsewhere, copy, show=silent)


def test_a_backup_whose_signatures_were_removed_is_not_restored(
    running: Workspace, elsewhere: Settings, tmp_path: Path
) -> None:
    from sqlalchemy import create_engine, text

    running.notary.sign(at=NOON, actor="ada")
    backup(running, tmp_path / "copy", show=silent)
    engine = create_engine(f"sqlite:///{tmp_path / 'copy' / 'ledger.db'}")
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM checkpoints"))
    engine.dispose()
    rewrite(tmp_path / "copy", "ledger.db", (tmp_path / "copy" / "ledger.db").read_bytes(), admit=True)
    with pytest.raises(LedgerCorrupt, match="checkpoint 1, kept outside"):
        restore(elsewhere, tmp_path / "copy", show=silent)


def test_a_folder_without_a_manifest_is_no_backup(copy: Path, elsewhere: Settings) -> None:
    (copy / MANIFEST).unlink()
    with pytest.raises(UsageError, match="no whole backup"):
        restore(elsewhere, copy, show=silent)


@pytest.mark.parametrize("path", ["../outside", "/etc/outside"])
def test_a_manifest_cannot_name_files_outside(copy: Path, elsewhere: Settings, path: str) -> None:
    found = msgspec.json.decode((copy / MANIFEST).read_bytes(), type=Backup)
    moved = (msgspec.structs.replace(found.files[0], path=path), *found.files[1:])
    (copy / MANIFEST).write_bytes(msgspec.json.encode(msgspec.structs.replace(found, files=moved)))
    with pytest.raises(UsageError, match="outside of itself"):
        restore(elsewhere, copy, show=silent)


def test_a_workspace_that_holds_something_is_left_alone(copy: Path, running: Workspace) -> None:
    with pytest.raises(UsageError, match="not empty"):
        restore(running.settings, copy, show=silent)
    assert running.ledger.verify().ok


def test_a_backup_goes_to_a_new_place_outside(copy: Path, running: Workspace) -> None:
    with pytest.raises(UsageError, match="something already"):
        backup(running, copy, show=silent)
    with pytest.raises(UsageError, match="inside the workspace"):
        backup(running, running.paths.root / "copy", show=silent)


@pytest.mark.parametrize("at", [1, 5, 12])
def test_an_interrupted_backup_leaves_nothing_that_looks_like_one(running: Workspace, tmp_path: Path, at: int) -> None:
    told: list[str] = []

    def stop(what: str) -> None:
        told.append(what)
        if len(told) == min(at, 4):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup(running, tmp_path / "copy", show=stop)
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == []


@pytest.mark.parametrize("at", ["first file", "bundle", "putting in place"])
def test_an_interrupted_restore_is_begun_again(
    copy: Path, elsewhere: Settings, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def stop(what: str) -> None:
        if (at == "first file" and what == "ledger.db") or (at == "bundle" and what.startswith("verifying lateness")):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if at == "putting in place":
            patched.setattr(Ledger, "copy_to", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            restore(elsewhere, copy, show=stop)
    restore(elsewhere, copy, show=silent)
    with Workspace.open(elsewhere) as restored:
        assert restored.ledger.verify().ok
        assert restored.state().products[PRODUCT].champion is not None


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_version_that_was_lost_is_told_and_the_rest_is_saved(
    running: Workspace, elsewhere: Settings, tmp_path: Path
) -> None:
    lost = running.state().products[PRODUCT].versions["v2"]
    shutil.rmtree(running.paths.bundle(PRODUCT, lost.digest))
    made = backup(running, tmp_path / "copy", show=silent)
    assert made.missing == ("lateness v2",)
    restore(elsewhere, tmp_path / "copy", show=silent)
    with Workspace.open(elsewhere) as restored, pytest.raises(WindlassError):
        restored.registry.open(PRODUCT, lost.digest)


def test_a_copy_is_told_from_its_original_by_the_last_event(copy: Path, elsewhere: Settings) -> None:
    """A fence of the running workspace is worth nothing in the restored one."""
    restore(elsewhere, copy, show=silent)
    with Workspace.open(elsewhere) as restored:
        assert restored.ledger.lease() is None
        assert pl.DataFrame({"kind": [event.kind for event in restored.ledger.events(newest=1)]}).item() == (
            "workspace.restored"
        )
