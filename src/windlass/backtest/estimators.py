"""From `--estimator import.path` to an unfitted estimator."""

from __future__ import annotations

import inspect
import sys
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from windlass.errors import MissingExtra, UsageError, WindlassError

_EXTRAS = {"lightgbm": "lightgbm", "xgboost": "xgboost"}


def estimator_from(path: str, *, folder: Path) -> Any:
    """The estimator that `package.module.Name` or `package.module:Name` names; modules in `folder` are found too.

    A class or a function is called without arguments; an object is taken as it is. Raises UsageError when there is
    none, MissingExtra when an optional package is not installed.
    """
    module_name, _, name = path.partition(":") if ":" in path else path.rpartition(".")
    if not module_name or not name:
        raise _wrong(path, "it is not an import path", "write it as sklearn.linear_model.LogisticRegression")
    try:
        found = _attribute(module_name, name, folder)
    except ModuleNotFoundError as error:
        package = (error.name or module_name).partition(".")[0]
        if package in _EXTRAS:
            raise MissingExtra.named(package, _EXTRAS[package]) from error
        raise _wrong(path, str(error), "check the spelling, or install the package") from error
    except WindlassError:
        raise
    except Exception as error:  # a module of the user's may raise anything while it is imported
        raise _wrong(path, f"importing {module_name} raised {type(error).__name__}: {error}", "mend it") from error
    if inspect.isclass(found) or (callable(found) and not hasattr(found, "fit")):
        try:
            found = found()
        except TypeError as error:
            raise _wrong(path, str(error), "name an object, or a function without arguments that makes one") from error
    if not (hasattr(found, "fit") and hasattr(found, "get_params")):
        raise _wrong(path, f"it is {type(found).__name__}, without fit and get_params", "name an estimator")
    return found


def with_seed(estimator: Any, seed: int) -> Any:
    """A copy whose open `random_state` is the seed."""
    from sklearn.base import clone

    copy = clone(estimator)
    params = copy.get_params(deep=True)
    names = [name for name, value in params.items() if name.endswith("random_state") and value is None]
    return copy.set_params(**dict.fromkeys(names, seed))


def _attribute(module_name: str, name: str, folder: Path) -> Any:
    sys.path.insert(0, str(folder))
    try:
        module = import_module(module_name)
    finally:
        sys.path.remove(str(folder))
    if not hasattr(module, name):
        near = get_close_matches(name, dir(module), n=1)
        remedy = f"did you mean {near[0]!r}?" if near else "check the spelling"
        raise _wrong(f"{module_name}.{name}", f"{module_name} has no {name!r}", remedy)
    return getattr(module, name)


def _wrong(path: str, what: str, remedy: str) -> UsageError:
    return UsageError(f"{path!r} cannot be used as an estimator: {what}", where="--estimator", remedy=remedy)
