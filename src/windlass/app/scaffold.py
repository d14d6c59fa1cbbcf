"""`windlass init`: a project that runs as soon as it is written."""

from __future__ import annotations

import hashlib
import keyword
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from windlass.errors import DataError, UsageError

if TYPE_CHECKING:
    from windlass.records.bundle import Column

_IGNORED = ".windlass/\n.venv/\n__pycache__/\n"
_PRODUCT = "product.py"
_UNTOLD = "target"
_TASKS = {"binary": "BinaryClassification", "multiclass": "MulticlassClassification", "regression": "Regression"}


@dataclass(frozen=True, kw_only=True)
class FromModel:
    """What is worth saying of a project that was made of a model file."""

    doubt: str
    """Why it is in doubt that the model answers here; empty when it was seen to answer."""
    modules: tuple[str, ...]
    """Files of code, relative to the project, that were laid there since the model holds objects of theirs."""
    assumed: str
    """What of the model's columns was taken to be so, since nobody says it; empty for nothing."""
    guess: str
    """What the model is taken to predict, and what to do if that is wrong; empty where it was given."""
    misfit: str
    """What keeps the rows that came along from being rows of requests, until a contract says more; empty if nothing."""


def make_project(folder: Path) -> Path:
    """A project with a sample product, rows to train on and tests; raises UsageError if there is something already."""
    names = _names(folder)
    _claim(folder)
    _write(folder, names | {"sample": True}, product="product.py.jinja", test="test_product.py.jinja")
    _sample_rows(folder / "data" / "history.csv")
    return folder


def make_project_from_model(
    folder: Path,
    model: Path,
    *,
    trust: bool,
    target: str | None = None,
    key: str | None = None,
    data: Path | None = None,
) -> FromModel:
    """A project that serves `model`; a pickle or joblib file is read only with `trust`, and later by its digest.

    With `trust`, modules that the file names and that lie beside it or in the current folder are copied along.

    Without `target` it is the one column of `data` that is neither the model's nor `key`, and just `target` where there
    is no such. `data` is copied along: rows as requests bring them, which say of its columns what the model does not,
    and on which a compiled form of it is compared with it.
    """
    from windlass.product.code.source import Source
    from windlass.registry.importing import import_model

    if not model.is_file():
        raise UsageError("there is no such model file", where=str(model), remedy="give the path of an existing file")
    if data is not None and not data.is_file():
        raise UsageError("there is no such file", where=str(data), remedy="give the path of a .parquet or .csv file")
    names = _names(folder)
    imported = import_model(
        model,
        trust=trust,
        source=Source(entry=f"product:{names['cls']}", files={}),
        folders=[*dict.fromkeys((model.parent.resolve(), Path.cwd()))],
        rows=data,
        roles=[name for name in (target or _UNTOLD, key) if name],
    )
    told = _target(data, imported.columns, key) if target is None else target
    modules = () if imported.source is None else tuple(sorted(imported.source.files))
    if _PRODUCT in modules:
        raise UsageError(
            f"the model holds objects of a module {_PRODUCT}, which is where the product is written",
            where=str(model),
            remedy="give the module another name, and make the model again",
        )
    _claim(folder)
    if imported.source is not None:
        imported.source.write(folder)
    (folder / "models").mkdir()
    shutil.copy2(model, folder / "models" / model.name)
    if data is not None:
        shutil.copy2(data, folder / "models" / data.name)
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest() if trust else None
    described = {
        "model_path": f"models/{model.name}",
        "sha256": sha256,
        "rows": None if data is None else f"models/{data.name}",
        "task": _TASKS[imported.kind],
        "target": told or _UNTOLD,
        "key": key,
        "sample": False,
    }
    _write(folder, names | described, product="model_product.py.jinja", test="test_model_product.py.jinja")
    misfit = "" if data is None else _misfit(data, imported.columns)
    return FromModel(
        doubt=imported.doubt,
        modules=modules,
        assumed=imported.assumed,
        guess="" if target is not None else _guess(told, data),
        misfit=misfit,
    )


def _target(data: Path | None, columns: Sequence[Column], key: str | None) -> str | None:
    """The one column of the rows that the model does not take; None if there is no such or more than one."""
    from windlass.registry.rows import read_rows

    wanted = {column.name for column in columns}
    there = [] if data is None else read_rows(data).columns
    others = [name for name in there if name not in wanted and name != key]
    return others[0] if len(others) == 1 and wanted <= set(there) else None


def _guess(told: str | None, data: Path | None) -> str:
    remedy = "otherwise mend it in product.py, before anything is captured"
    if told is not None and data is not None:
        return f"the model predicts {told!r}, the one column of {data.name} that it does not take; {remedy}"
    return f"what the model predicts is called {_UNTOLD!r}; {remedy}, or begin again with --target"


def _misfit(data: Path, columns: Sequence[Column]) -> str:
    from windlass.pipeline.forms import rows_of

    try:
        rows_of(data, columns)
    except DataError as error:
        return f"{error.what}; remedy: {error.remedy}"
    return ""


def _names(folder: Path) -> dict[str, Any]:
    words = [word for word in re.split(r"[^0-9A-Za-z]+", folder.name) if word]
    cls = "".join(word[:1].upper() + word[1:] for word in words)
    if not cls.isidentifier() or keyword.iskeyword(cls):
        raise UsageError(
            f"{folder.name!r} gives no name for a class",
            remedy="start with a letter and use letters, digits and dashes",
        )
    return {"cls": cls, "name": "-".join(word.lower() for word in words), "title": " ".join(words).capitalize()}


def _claim(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("there is something here already", where=str(folder), remedy="choose a name that is free")
    try:
        (folder / "tests").mkdir(parents=True)
    except OSError as error:
        what = f"the project cannot be made: {error.strerror}"
        raise UsageError(what, where=str(folder), remedy="choose a place that you may write to") from error


def _write(folder: Path, names: dict[str, Any], *, product: str, test: str) -> None:
    render = _renderer(names)
    (folder / _PRODUCT).write_text(render(product))
    (folder / "tests" / "test_product.py").write_text(render(test))
    (folder / "README.md").write_text(render("README.md.jinja"))
    (folder / "windlass.toml").write_text(render("windlass.toml.jinja"))
    (folder / ".gitignore").write_text(_IGNORED)


def _renderer(names: dict[str, Any]) -> Callable[[str], str]:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("windlass.app"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 (Python and Markdown, never HTML)
    )
    return lambda template: environment.get_template(template).render(**names)


def _sample_rows(path: Path) -> None:
    """The breast cancer data of scikit-learn, with invented times and ids."""
    from datetime import datetime, timedelta

    import polars as pl
    from sklearn.datasets import load_breast_cancer

    sample = load_breast_cancer()
    start = datetime(2025, 1, 1)  # noqa: DTZ001 (a CSV column without a zone, as files often have)
    count = len(sample.target)
    frame = pl.DataFrame(
        {
            "sample_id": [f"s{number:04d}" for number in range(count)],
            "measured_at": [start + timedelta(hours=number) for number in range(count)],
            **{
                str(name).replace(" ", "_"): sample.data[:, column]
                for column, name in enumerate(sample.feature_names[:10])
            },
            "malignant": sample.target == 0,
        }
    )
    path.parent.mkdir()
    frame.write_csv(path)
