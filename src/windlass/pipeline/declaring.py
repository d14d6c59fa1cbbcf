"""What a product declares, read once in the process for user code; the controller works from the record of it."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
import polars as pl

from windlass.clock import clock_from
from windlass.errors import ProductError
from windlass.lake.lake import Lake
from windlass.ledger.ledger import Ledger
from windlass.pipeline import forms
from windlass.pipeline.opening import declaration_of, is_news, open_product
from windlass.pipeline.steps.request import DeclareRequest
from windlass.pipeline.steps.step import ACTOR
from windlass.product.checks.declaration import check_redacted
from windlass.product.code.source import Source
from windlass.product.contract import columns_of, schema_of
from windlass.product.contract.schema import declared_column
from windlass.product.contract.types import dtype_of
from windlass.product.policy import to_plain
from windlass.product.product import Product
from windlass.product.task import BinaryClassification
from windlass.records.bundle import Column, Manifest
from windlass.records.event import FormTurnedDown, VersionRegistered
from windlass.records.paths import Paths
from windlass.registry import environment
from windlass.registry.bundle import SOURCE
from windlass.registry.files import MANIFEST
from windlass.registry.importing import Imported, import_model, own_modules
from windlass.registry.registry import Registry
from windlass.settings import Settings


def declare(request: DeclareRequest) -> None:
    """Load and check a product, write down what it declares if that is news, and take in the model file it names.

    Raises what is wrong with the product or with the file.
    """
    with opened(request.settings) as (paths, ledger):
        product, source = open_product(request.settings, product=request.product, entry=request.entry)
        now = clock_from(request.settings.clock).now()
        declared = declaration_of(product, source)
        if is_news(ledger, request.product, declared):
            ledger.append(declared, at=now, actor=ACTOR, product=request.product, fence=request.fence)
        if product.model is not None:
            registry, lake = Registry(paths, request.fence), Lake(paths.lake)
            news = _take_in(product, source, registry=registry, lake=lake, ledger=ledger, settings=request.settings)
            if news is not None:
                ledger.append(news, at=now, actor=ACTOR, product=request.product, fence=request.fence)


def _take_in(
    product: type[Product], source: Source, *, registry: Registry, lake: Lake, ledger: Ledger, settings: Settings
) -> VersionRegistered | FormTurnedDown | None:
    """The model file as a version; of a file that is one already, what came of comparing a compiled form of it, once
    there are rows. None: nothing new."""
    if product.model is None:
        return None
    path = settings.project / product.model.path
    if not path.is_file():
        raise ProductError(
            "the model file is not there", where=str(path), remedy="put it there, or mend `model` in the product"
        )
    known = [event.body for event in ledger.events([VersionRegistered], product=product.name)]
    versions = [body for body in known if isinstance(body, VersionRegistered)]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    of_file = [body for body in versions if body.file == digest]
    held = [body for body in of_file if registry.holds(product.name, body.digest)]
    own: Mapping[str, bytes] = {}
    if held and product.model.sha256 is not None:
        own = own_modules(path, source=source, folders=[settings.project.resolve()])
    changed = {body.version: _changed(own, registry.manifest(product.name, body.digest)) for body in held}
    known_as = [body for body in held or of_file if not changed.get(body.version)]
    if known_as:
        turned_down = ledger.events([FormTurnedDown], product=product.name, subject=known_as[-1].version)
        next_name = f"v{len(versions) + 1}"
        if turned_down:
            return None
        return _form(product, known_as[-1], next_name, registry=registry, lake=lake, settings=settings)
    computes = product.features is not Product.features  # then contract and rows are not of the model's columns
    imported = import_model(
        path,
        sha256=product.model.sha256,
        vouched_by=product.model.sha256 or "",
        source=source,
        folders=[settings.project.resolve()],
        declared=None if computes else _declared_types(product),
        rows=settings.project / product.model.rows if product.model.rows is not None and not computes else None,
        roles=[name for name in (product.task.target, product.task.key, product.task.time) if name],
    )
    _check_kind(product, imported, path)
    bundle = _publish(product, source, imported, registry, settings)
    return VersionRegistered(
        version=f"v{len(versions) + 1}",
        digest=bundle,
        run=None,
        metrics={},
        file=digest,
        trusted_by=None if product.model.sha256 is None else f"{source.entry}, which names its sha256",
        modules=changed[held[-1].version] if held else (),
    )


def _changed(own: Mapping[str, bytes], manifest: Manifest) -> tuple[str, ...]:
    """Those of `own` modules (path -> content) that are not what the version has."""
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in own.items()}
    return tuple(path for path, digest in digests.items() if manifest.files.get(f"{SOURCE}/{path}") != digest)


def _publish(product: type[Product], source: Source, imported: Imported, registry: Registry, settings: Settings) -> str:
    """The bundle's digest. The product's code goes along only if it stands between the request and the model, or if the
    model holds objects of it."""
    columns = _columns(product, imported)
    check_redacted(product, (*(column.name for column in columns), *imported.features))
    staged = registry.stage(product.name)
    has_code = product.features is not Product.features or product.contract is not None or imported.source is not None
    if has_code:
        (imported.source or source).write(staged / SOURCE)
    file = imported.write(staged / "model")
    manifest = Manifest(
        product=product.name,
        entry=source.entry if has_code else "",
        run=None,
        created_at=clock_from(settings.clock).now(),
        task=msgspec.to_builtins(product.task),
        policies=to_plain(product.policies()),
        columns=columns,
        features=imported.features,
        classes=imported.classes,
        threshold=_threshold(imported),
        model=msgspec.structs.replace(file, file=f"model/{file.file}"),
        metrics={},
        pin=None,
        environment=environment.capture(settings.project),
        compiled=forms.without_rows(imported.model),
        files={},
    )
    if product.model is not None and product.model.rows is not None:
        rows = forms.rows_of(settings.project / product.model.rows, columns)
        code = product() if has_code else None
        forms.keep_background(rows, staged, product=code, manifest=manifest)
        if manifest.compiled == forms.AWAITED:
            compiled = forms.compared(imported.model, rows, staged, product=code, manifest=manifest)
            manifest = msgspec.structs.replace(manifest, compiled=compiled)
    return registry.publish(staged, manifest)


def _threshold(imported: Imported) -> float | None:
    """The probability from which the model calls a row positive. Where it has chosen none, just above one half: of two
    classes that are as likely, `predict` of scikit-learn and its kin gives the first."""
    chosen = imported.threshold
    return math.nextafter(0.5, 1.0) if chosen is None and imported.kind == "binary" else chosen


def _form(
    product: type[Product],
    known_as: VersionRegistered,
    name: str,
    *,
    registry: Registry,
    lake: Lake,
    settings: Settings,
) -> VersionRegistered | FormTurnedDown | None:
    """The version `name`, which answers with a compiled form of the model of `known_as`, if that awaits rows and there
    are some by now; or why the model itself goes on answering."""
    if not registry.holds(product.name, known_as.digest):
        return None
    bundle = registry.open(product.name, known_as.digest)
    manifest = bundle.manifest
    if manifest.compiled is not None and not manifest.compiled.awaits_rows:
        return None
    if product.model is not None and product.model.rows is not None:
        rows = forms.rows_of(settings.project / product.model.rows, manifest.columns)
    else:
        asked = forms.asked_rows(lake, product.name, known_as.version, manifest)
        if asked is None:
            return None
        rows = asked
    staged = registry.stage(product.name)
    compiled = forms.compared(bundle.model, rows, staged, product=bundle.product, manifest=manifest)
    if not compiled.answers:
        shutil.rmtree(staged)
        return FormTurnedDown(version=known_as.version, rows=compiled.rows, reason=compiled.reason)
    shutil.copytree(bundle.folder, staged, ignore=lambda _, names: {MANIFEST} & {*names}, dirs_exist_ok=True)
    if product.model is not None and product.model.rows is not None:
        forms.keep_background(rows, staged, product=bundle.product, manifest=manifest)
    now = clock_from(settings.clock).now()
    digest = registry.publish(staged, msgspec.structs.replace(manifest, compiled=compiled, created_at=now))
    return msgspec.structs.replace(known_as, version=name, digest=digest, form_of=known_as.version, modules=())


def _columns(product: type[Product], imported: Imported) -> tuple[Column, ...]:
    """What a request row holds: what the contract declares, what the model wants besides, and key and time.

    With `features` of its own the product needs other columns than the model, which only the contract can tell. Nothing
    tells the types of a key and a time outside a contract: the one is text, the other a moment, and neither must come.
    """
    columns = _of_contract_and_model(product, imported)
    known = {column.name for column in columns}
    roles: list[tuple[str | None, Literal["str", "datetime"]]] = [
        (product.task.key, "str"),
        (product.task.time, "datetime"),
    ]
    added = [Column(name=name, dtype=kind, required=False) for name, kind in roles if name and name not in known]
    return (*columns, *added)


def _of_contract_and_model(product: type[Product], imported: Imported) -> tuple[Column, ...]:
    schema = schema_of(product.contract)
    if schema is None:
        return imported.columns
    own = product.features is not Product.features
    of_model = {} if own else {column.name: column for column in imported.columns}
    types = {name: dtype_of(column) for name, column in of_model.items()}
    types |= _declared_types(product)
    declared = columns_of(product, pl.DataFrame(schema=types))
    return tuple(
        column if declared_column(schema, column.name) is not None else of_model[column.name] for column in declared
    )


def _declared_types(product: type[Product]) -> dict[str, pl.DataType]:
    """The types that the contract gives to columns by their names."""
    schema = schema_of(product.contract)
    columns = {} if schema is None else schema.columns
    return {name: each.dtype.type for name, each in columns.items() if each.dtype and not each.regex}


def _check_kind(product: type[Product], imported: Imported, path: Path) -> None:
    if imported.kind != product.task.kind:
        raise ProductError(
            f"the task is {product.task.kind}, and the model is made for {imported.kind}",
            where=str(path),
            remedy="declare the task that the model was trained for",
        )
    task = product.task
    positive = task.positive if isinstance(task, BinaryClassification) else None
    if positive is not None and positive != imported.classes[-1]:
        raise ProductError(
            f"the model gives the probability of {imported.classes[-1]!r}, and the task calls {positive!r} positive",
            where=str(path),
            remedy=f"declare positive={imported.classes[-1]!r}, or leave it out",
        )


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Paths, Ledger]]:
    """The workspace's paths and ledger, closed at the end."""
    paths = Paths(settings.workspace)
    with Ledger(paths.ledger_url(settings.ledger)) as ledger:
        yield paths, ledger
