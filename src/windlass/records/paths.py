"""Where things lie in a workspace. Every path that any part uses comes from here."""

from __future__ import annotations

from pathlib import Path

import msgspec

STAGING = ".staging"
"""Folder in each store where the holder of the lease prepares what is to appear in it."""


class Paths(msgspec.Struct, frozen=True):
    """The workspace's folder and what is where below it (drawn in docs/explanation/workspace.md)."""

    root: Path

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.db"

    def ledger_url(self, setting: str) -> str:
        """The ledger's database URL: what the setting says, or the file in the workspace."""
        return setting or f"sqlite:///{self.ledger}"

    @property
    def state(self) -> Path:
        """What the events of a long ledger come to, as far as some process has folded them; may be deleted."""
        return self.root / "state.json"

    @property
    def keys(self) -> Path:
        """What checkpoints of the ledger are signed with: private keys, and the public ones that are trusted here."""
        return self.root / "keys"

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint, outside of the ledger's database."""
        return self.root / "checkpoint.json"

    @property
    def tokens(self) -> Path:
        """Hashes of the tokens in force, as serving workers read them; written anew from the ledger."""
        return self.root / "tokens.json"

    @property
    def holders(self) -> Path:
        """Where the holder of the lease shows that it lives."""
        return self.root / "holders"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def registry(self) -> Path:
        return self.root / "registry"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def routings(self) -> Path:
        return self.root / "routing"

    @property
    def stores(self) -> tuple[Path, ...]:
        """The folders that only the holder of the lease changes; each has its own staging (`windlass.staging`)."""
        return self.artifacts, self.lake, self.registry, self.routings

    def bundles(self, product: str) -> Path:
        return self.registry / product

    def bundle(self, product: str, digest: str) -> Path:
        return self.bundles(product) / digest

    def step(self, product: str, key: str) -> Path:
        return self.artifacts / product / "steps" / key

    def run(self, product: str, run: str) -> Path:
        """Logs (`<step>.log`) and figures of one run."""
        return self.artifacts / product / "runs" / run

    def reproduction(self, product: str, run: str) -> Path:
        """Where a version is trained again, until that is over."""
        return self.root / "artifacts" / product / "reproductions" / run

    def reference(self, product: str, digest: str) -> Path:
        """What a version that came without its rows is watched against, named by its sha256."""
        return self.root / "artifacts" / product / "references" / f"{digest}.json"

    def segments(self, product: str) -> Path:
        """Write-ahead segments, one folder for each serving worker below it."""
        return self.root / "segments" / product

    @property
    def figures(self) -> Path:
        """What the workers of each server that runs count for `/metrics`."""
        return self.root / "figures"

    def erasure(self, command: str) -> Path:
        """What is to be erased; it is there while the request is under way."""
        return self.root / "erasures" / f"{command}.json"

    @property
    def secret(self) -> Path:
        """What erased keys are hashed with, so that the hash tells nobody the key."""
        return self.keys / "erasures.secret"

    def let_go(self, product: str) -> Path:
        """Serving workers of the product begin another segment whenever this file changes."""
        return self.segments(product) / "let-go"

    def routing(self, product: str) -> Path:
        return self.routings / f"{product}.json"

    @property
    def log(self) -> Path:
        return self.root / "windlass.log"
