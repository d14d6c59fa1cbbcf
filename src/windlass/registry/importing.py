"""Starting from a model file that exists already: what it is, whether it may be loaded, and what it takes."""

from __future__ import annotations

import hashlib
import pickletools
import re
import zipfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import polars as pl

from windlass.errors import RegistryError, UntrustedModel, UsageError
from windlass.product.code.loading import lent
from windlass.product.code.source import Source, reached_from, with_modules_of
from windlass.product.task import TaskKind
from windlass.records.bundle import Column, ModelFile
from windlass.registry import models
from windlass.registry.describing import describe
from windlass.registry.native import NativeModel, native_from
from windlass.registry.native.protobuf import fields
from windlass.registry.pickles import decompressed, imports_of
from windlass.registry.rows import read_rows

Format = Literal["skops", "pickle", "joblib", "onnx", "lightgbm", "xgboost"]
_CATBOOST = b"CBM1"
_POINTER = b"version https://git-lfs.github.com/spec/"
_FAMILIAR = frozenset(
    {"sklearn", "numpy", "scipy", "joblib", "lightgbm", "xgboost", "collections", "_codecs", "copyreg"}
)
"""Packages whose names in a pickle surprise nobody; all others are listed first."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A model file, loaded and described."""

    model: Any
    format: Format
    """Of the file it came from."""
    kind: TaskKind
    classes: tuple[bool | int | str, ...]
    """The labels in the order of the model's probabilities, the positive one last; empty for regression."""
    columns: tuple[Column, ...]
    """What a request row holds; the names are made up (`x0`, ...) when the model knows only how many there are."""
    features: tuple[str, ...]
    threshold: float | None
    """The probability from which the model calls a row positive, where it has chosen one."""
    vouched_by: str
    source: Source | None = None
    """The product's code together with the modules of one's own that the model holds objects of; None: of none."""
    doubt: str = ""
    """Why the model answered no plain row when it was asked; empty when it did."""
    by_value: bool = False
    """Whether the file brought code along that lies in no module, as cloudpickle writes it."""
    assumed: str = ""
    """What of the columns was taken to be so, since nobody says it; empty for nothing."""

    def write(self, folder: Path) -> ModelFile:
        """Write the model into `folder`, in the safest format that holds it; `ModelFile.file` is relative to it."""
        if isinstance(self.model, NativeModel):
            name = self.model.write(folder)
            return ModelFile(format=self.model.format, file=name, kind=type(self.model).__name__)
        return models.save(self.model, folder, vouched_by=self.vouched_by, by_value=self.by_value)


def inspect_model_file(path: Path) -> Format:
    """The format of a model file, told by its content; nothing in it is run.

    Raises UsageError when it is none of those that can be served.
    """
    if not path.is_file():
        raise UsageError("there is no such model file", where=str(path), remedy="give the path of an existing file")
    data = path.read_bytes()
    if not data:
        raise UsageError("the model file is empty", where=str(path), remedy="write or copy it once more")
    if data.startswith(_POINTER):
        raise UsageError("this is a pointer of Git LFS, and no model", where=str(path), remedy="fetch it: git lfs pull")
    found = _format_of(path, data)
    if found is None:
        if data.startswith(_CATBOOST):
            raise UsageError(
                "CatBoost's own format is not among those that are read",
                where=str(path),
                remedy="give the model as joblib.dump(model, FILE) writes it, or as ONNX",
            )
        raise UsageError(
            "the file is no model that can be served",
            where=str(path),
            remedy=f"give one of {', '.join(get_args(Format))} (LightGBM: booster_.save_model, XGBoost: save_model)",
        )
    if found == "lightgbm" and not _has_all_trees(data):
        raise UsageError("the model file ends in the middle", where=str(path), remedy="write or copy it once more")
    return found


def import_model(
    path: Path,
    *,
    trust: bool = False,
    sha256: str | None = None,
    vouched_by: str = "",
    source: Source | None = None,
    folders: Sequence[Path] = (),
    declared: Mapping[str, pl.DataType] | None = None,
    rows: Path | None = None,
    roles: Collection[str] = (),
) -> Imported:
    """Load a model file and describe what it takes and answers.

    A pickle, a joblib file, and a skops file with types of its own are loaded only with `trust`, or when `sha256` (as
    written down in a product's `model`) is the file's digest. Modules of one's own that it names are then looked for in
    `source`, the product's code, and in the first of `folders` that has any. `declared` types of columns and `rows`, a
    file of rows as requests bring them, say of the columns what the model file does not (`describe`); `roles` are
    columns that these may have and the model has not, such as the target.

    Raises UntrustedModel listing what loading would import, MissingExtra when the library of its format is not
    installed, RegistryError when the file cannot be read or described, DataError when the rows cannot be read,
    ProductError when a module of one's own cannot be imported.
    """
    found = inspect_model_file(path)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and sha256 != digest:
        raise UntrustedModel(
            f"the file's sha256 is {digest[:12]}..., and {sha256[:12]}... was vouched for",
            where=str(path),
            remedy="restore the file; if the change was meant, look where it comes from and write its new digest down",
        )
    trusted = trust or sha256 is not None
    file = ModelFile(format=found, file=path.name, kind="", types=_types(path, content, found, trusted=trusted))
    own = _own_code(file, content, source, folders) if trusted and source is not None else None
    with lent(own.source, own.folder, own.names) if own is not None else nullcontext():
        loaded = models.load(path.parent, file, vouched=trusted)
    model = native_from(loaded) or loaded
    given = None if rows is None else read_rows(rows)
    described = describe(model, where=str(path), declared=declared, rows=given, roles=roles)
    return Imported(
        model=model,
        format=found,
        kind=described.kind,
        classes=described.classes,
        columns=described.columns,
        features=tuple(column.name for column in described.columns),
        threshold=described.threshold,
        vouched_by=vouched_by or f"sha256 {digest}",
        source=None if own is None else own.source,
        doubt=described.doubt,
        by_value=found in {"pickle", "joblib"} and b"cloudpickle" in decompressed(content),
        assumed=described.assumed,
    )


def own_modules(path: Path, *, source: Source, folders: Sequence[Path]) -> dict[str, bytes]:
    """Path -> content of the modules of one's own that a model file which somebody vouches for names, and of all that
    these import, looked for as `import_model` does. Nothing is run. Raises what that raises."""
    found = inspect_model_file(path)
    content = path.read_bytes()
    file = ModelFile(format=found, file=path.name, kind="", types=_types(path, content, found, trusted=True))
    own = _own_code(file, content, source, folders)
    return {} if own is None else reached_from(own.source, own.names, own.folder)


@dataclass(frozen=True, kw_only=True)
class _Own:
    """Modules of one's own that a model file names."""

    source: Source
    folder: Path
    names: tuple[str, ...]
    """All that loading the file would import."""


def _own_code(file: ModelFile, content: bytes, source: Source, folders: Sequence[Path]) -> _Own | None:
    """Nothing of it is run here."""
    names = file.types
    if file.format in {"pickle", "joblib"}:
        try:
            names = imports_of(content)
        except UntrustedModel:  # whoever vouches for it may have it loaded all the same
            return None
    for folder in folders:
        found = with_modules_of(source, names, folder)
        if found is not None:
            return _Own(source=found, folder=folder, names=names)
    return None


def _types(path: Path, content: bytes, found: Format, *, trusted: bool) -> tuple[str, ...]:
    """The types a skops file may build. Raises UntrustedModel for what is not safe and not trusted."""
    if found == "skops":
        import skops.io

        try:
            types = tuple(skops.io.get_untrusted_types(data=content))
        except Exception as error:
            raise RegistryError(
                f"the skops file cannot be read: {type(error).__name__}: {error}",
                where=str(path),
                remedy="write it again with the version of skops that is installed here",
            ) from error
        if types and not trusted:
            raise _untrusted("would build", types, path)
        return types
    if found in {"pickle", "joblib"} and not trusted:
        names = imports_of(content)
        models.refuse_main(names, str(path))
        raise _untrusted("would import and may run", names, path)
    return ()


def _untrusted(would: str, names: tuple[str, ...], path: Path) -> UntrustedModel:
    first = sorted(names, key=lambda name: (name.partition(".")[0] in _FAMILIAR, name))
    shown = ", ".join(first[:20]) + (f", and {len(first) - 20} more" if len(first) > 20 else "")
    return UntrustedModel(
        f"loading this file {would}: {shown or 'nothing'}",
        where=str(path),
        remedy="give --trust if you know where the file comes from, or make it a skops or ONNX file",
    )


def _format_of(path: Path, data: bytes) -> Format | None:
    if data.startswith(b"PK\x03\x04"):
        return "skops" if zipfile.is_zipfile(path) and "schema.json" in zipfile.ZipFile(path).namelist() else None
    if data.startswith(b"tree\n") and b"\nnum_class=" in data[:1000]:
        return "lightgbm"
    if data.startswith(b"{"):
        return "xgboost" if _is_xgboost(data) else None
    inner = decompressed(data)
    if _is_pickle(inner):
        return "joblib" if inner is not data or b"joblib.numpy_pickle" in inner else "pickle"
    return "onnx" if _is_onnx(data) else None


def _has_all_trees(data: bytes) -> bool:
    """Whether LightGBM's text is whole: of less it makes a model without trees, or the library ends the process."""
    if b"\nend of trees" in data:
        return True
    sizes, first = re.search(rb"\ntree_sizes=([\d ]*)\n", data), data.find(b"\nTree=0\n")
    bytes_needed = sum(map(int, sizes[1].split())) if sizes else 0  # releases before 2.1 do not say
    return first >= 0 and first + 1 + bytes_needed <= len(data)


def _is_xgboost(data: bytes) -> bool:
    if b"learner" in data[:64] and not data[1:2].isspace() and data[1:2] != b'"':
        return True  # UBJSON: a length in binary stands before the first key
    try:
        return "learner" in msgspec.json.decode(data)
    except (msgspec.DecodeError, TypeError):
        return False


def _is_pickle(data: bytes) -> bool:
    """Whether the bytes begin as a pickle: protocol 2 and later say so, 0 and 1 are followed to their end."""
    if len(data) > 2 and data[0] == 0x80:
        return 2 <= data[1] <= 5
    if not data or data[:1] not in b"(]}cIFSVNKMJGX)":
        return False
    try:
        return any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(data))
    except ValueError:
        return False


def _is_onnx(data: bytes) -> bool:
    """Whether the bytes are a protobuf message with the fields of ONNX's ModelProto: 1 ir_version, 7 graph."""
    try:
        numbers = {number for number, _, _ in fields(data)}
    except ValueError:
        return False
    return {1, 7} <= numbers <= set(range(1, 31))
