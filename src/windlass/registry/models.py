"""Writing a model down and reading it back.

skops comes first: its files hold no code, and what they may build beyond its own list is written down when the model
is saved, so that a changed file cannot build anything else. Only what skops cannot hold becomes a pickle, with the
reason beside it. Formats of other libraries are read through `native`.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from windlass.errors import RegistryError, UntrustedModel
from windlass.records.bundle import ModelFile
from windlass.registry.pickles import decompressed, imports_of

_FRESH: dict[tuple[str, tuple[str, ...]], Any] = {}
"""Digest and types of the file saved last -> the model as it was read back from it.

The run that saved a model asks for it next, and reading it takes as long as writing it; it is given away just once.
"""
BY_RUN = "run"
"""`ModelFile.vouched_by` of a model that was saved by the very process that trained it."""


def save(model: Any, folder: Path, *, vouched_by: str = BY_RUN, by_value: bool = False) -> ModelFile:
    """Write `model` into `folder` and read it back; `ModelFile.file` is relative to the folder.

    `vouched_by` says who answers for a file that can run code when it is loaded. With `by_value`, code that lies in no
    module goes into the file itself where nothing else holds the model. Raises RegistryError when the model can be
    written in no format, or only so that no other process could read it.
    """
    try:
        return _save(model, folder, vouched_by)
    except RegistryError as error:
        if not by_value:
            raise
        (folder / "model.pkl").write_bytes(_by_value(model))
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        reason = f"it holds code that lies in no module: {error.what}"[:500]
        return ModelFile(format="pickle", file="model.pkl", kind=kind, reason=reason, vouched_by=vouched_by)


def _save(model: Any, folder: Path, vouched_by: str) -> ModelFile:
    folder.mkdir(parents=True, exist_ok=True)
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    refuse_main([kind])
    saved = _as_skops(model)
    if not isinstance(saved, str):
        data, types, again = saved
        refuse_main(types)
        (folder / "model.skops").write_bytes(data)
        _FRESH.clear()
        _FRESH[hashlib.sha256(data).hexdigest(), types] = again
        return ModelFile(format="skops", file="model.skops", kind=kind, types=types)
    (folder / "model.pkl").write_bytes(_as_pickle(model, kind))
    return ModelFile(format="pickle", file="model.pkl", kind=kind, reason=saved, vouched_by=vouched_by)


def load(folder: Path, file: ModelFile, *, vouched: bool | None = None) -> Any:
    """The model that `file` describes, from below `folder`.

    A pickle or joblib file is loaded only when it is `vouched` for: by default, when `file` says who does. Classes of
    the product's own modules must have been loaded before. Raises UntrustedModel and RegistryError.
    """
    path = folder / file.file
    if file.format == "skops":
        return _read_skops(path, file)
    if file.format in {"pickle", "joblib"}:
        if not (bool(file.vouched_by) if vouched is None else vouched):
            raise UntrustedModel(
                f"loading a {file.format} file runs the code in it, and nobody vouches for this one",
                where=str(path),
                remedy="train the product with its own run, or import the file with --trust once you know its origin",
            )
        return _read_pickle(path, file)
    from windlass.registry.native import read_native

    return read_native(path, file.format)


def _as_skops(model: Any) -> tuple[bytes, tuple[str, ...], Any] | str:
    """The file's content, the types it needs beyond skops' own and what was read back; or why skops cannot hold it."""
    import skops.io

    try:
        data = skops.io.dumps(model)
        types = skops.io.get_untrusted_types(data=data)
        again = skops.io.loads(data, trusted=types)
    except Exception as error:  # noqa: BLE001 (whatever stops skops is the recorded reason for the other format)
        return f"skops cannot hold it: {type(error).__name__}: {error}"[:500]
    if type(again) is not type(model):
        return f"skops reads it back as {type(again).__qualname__}"
    return data, tuple(types), again


def _as_pickle(model: Any, kind: str) -> bytes:
    try:
        data = pickle.dumps(model, protocol=5)
        pickle.loads(data)  # noqa: S301 (made on the line before)
    except Exception as error:
        raise RegistryError(
            f"the model cannot be saved: {type(error).__name__}: {error}",
            where=kind,
            remedy="hold no open files, connections or lambdas in it, and define its classes at the top of a module",
        ) from error
    refuse_main(imports_of(data))
    return data


def _by_value(model: Any) -> bytes:
    try:
        import cloudpickle  # without it the file that the model comes from could not have been read

        data: bytes = cloudpickle.dumps(model, protocol=5)
        pickle.loads(data)  # noqa: S301 (made on the line before)
    except Exception as error:
        raise RegistryError(
            f"the model cannot be saved: {type(error).__name__}: {error}",
            where=f"{type(model).__module__}.{type(model).__qualname__}",
            remedy="hold no open files, connections or locks in it",
        ) from error
    return data


def refuse_main(names: Iterable[str], where: str = "") -> None:
    """Raises RegistryError where one of `names`, with their modules before them, no process but its own finds."""
    for name in names:
        if name.partition(".")[0] == "__main__":
            raise RegistryError(
                f"{name} is defined in the script or notebook that made the model, where no other process finds it",
                where=where or name,
                remedy="move it into a module of the project, import it from there, and make the model again",
            )


def _read_skops(path: Path, file: ModelFile) -> Any:
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        data = path.read_bytes()
        fresh = _FRESH.pop((hashlib.sha256(data).hexdigest(), file.types), None) if _FRESH else None
        return skops.io.loads(data, trusted=list(file.types)) if fresh is None else fresh
    except UntrustedTypesFoundException as error:
        raise UntrustedModel(
            f"the file wants to build types that were not written down when it was saved: {error}",
            where=str(path),
            remedy="do not use it; train or import the model again",
        ) from error
    except Exception as error:
        raise _unreadable(path, file, error) from error


def _read_pickle(path: Path, file: ModelFile) -> Any:
    try:
        if file.format == "joblib":
            import joblib

            return joblib.load(path)
        return pickle.loads(path.read_bytes())  # noqa: S301 (vouched for)
    except Exception as error:
        if isinstance(error, AttributeError):
            refuse_main(imports_of(path.read_bytes()), str(path))
        raise _unreadable(path, file, error) from error


def _unreadable(path: Path, file: ModelFile, error: Exception) -> RegistryError:
    remedy = "install the versions of the libraries that it was made with; a version's manifest lists them"
    if isinstance(error, ModuleNotFoundError) and error.name is not None:
        remedy = (
            f"install what holds the module {error.name!r}, or lay its file beside the product's (where there is no "
            "product yet: beside the model's), and try again"
        )
    elif file.format in ("pickle", "joblib") and not decompressed(path.read_bytes()).endswith(pickle.STOP):
        remedy = "the file ends in the middle: write or copy it once more"
    return RegistryError(
        f"the {file.format} file of a {file.kind or 'model'} cannot be read here: {type(error).__name__}: {error}",
        where=str(path),
        remedy=remedy,
    )
