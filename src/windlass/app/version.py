"""All that is known of one version: where it comes from and how it was judged."""

from __future__ import annotations

from typing import Any

import msgspec

from windlass.app.forms import answers_with
from windlass.app.queries import the_product
from windlass.app.watched import watched_against
from windlass.app.workspace import Workspace
from windlass.errors import UsageError
from windlass.pipeline.verdicts.evaluation import EVALUATION, LATENCY, Evaluation, Latency
from windlass.records.bundle import Compiled, Manifest
from windlass.records.state import ProductState, VersionState


class Forms(msgspec.Struct, frozen=True, kw_only=True):
    """What the model itself and the form that answers in its place take for a request, without its features."""

    request: str
    native_ms: float
    form_ms: float


class VersionCard(msgspec.Struct, frozen=True, kw_only=True):
    """A version's manifest beside its evaluation."""

    version: str
    digest: str
    role: str
    watched_against: str
    answers_with: str
    """Which form of the model, and why."""
    manifest: Manifest
    evaluation: Evaluation | None
    """None for an imported model file: nobody held rows back for it."""
    latency: Latency | None
    """Of the model itself with its features, whatever form of it answers."""
    forms: tuple[Forms, ...]
    """Empty where the model itself answers."""


def version_card(workspace: Workspace, name: str, *, product: str | None) -> VersionCard:
    """The card of the version `name`. Raises UsageError when there is none, BundleCorrupt when its files changed."""
    state = the_product(workspace, product)
    version = the_version(state, name)
    bundle = workspace.registry.open(state.name, version.digest)
    champion = state.champion is not None and state.champion.version == name
    challenger = state.release is not None and state.release.version == name
    return VersionCard(
        version=name,
        digest=version.digest,
        role="champion" if champion else "challenger" if challenger else "",
        watched_against=watched_against(state, version, watch_rows=workspace.settings.watch_rows),
        answers_with=answers_with(state, version, bundle.manifest),
        manifest=bundle.manifest,
        evaluation=_read(bundle.folder / EVALUATION, Evaluation),
        latency=_read(bundle.folder / LATENCY, Latency),
        forms=_forms(bundle.manifest.compiled),
    )


def the_version(state: ProductState, name: str | None) -> VersionState:
    """The version called `name`, or the champion, whose bundle is there. Raises UsageError when it is not."""
    if name is None and state.champion is None:
        raise UsageError(f"{state.name} has no champion yet", remedy="name a version, or run `windlass train` first")
    version = state.champion if name is None else state.versions.get(name)
    if version is None:
        known = ", ".join(state.versions) or "none yet"
        raise UsageError(f"{state.name} has no version {name!r}", remedy=f"choose one of: {known}")
    _check_there(version)
    return version


def _check_there(version: VersionState) -> None:
    """Raises UsageError for a version whose bundle was removed."""
    if version.retired:
        raise UsageError(
            f"the bundle of {version.version} was removed by `windlass clean`",
            remedy="`windlass events` tells when; keep more with the settings `keep_days` and `keep_versions`",
        )


def _forms(compiled: Compiled | None) -> tuple[Forms, ...]:
    if compiled is None or not compiled.answers:
        return ()
    measured = zip(("one row", "64 rows"), compiled.native_ms, compiled.form_ms, strict=False)
    return tuple(Forms(request=request, native_ms=native, form_ms=form) for request, native, form in measured)


def _read(path: Any, kind: type[Any]) -> Any:
    return msgspec.json.decode(path.read_bytes(), type=kind) if path.is_file() else None
