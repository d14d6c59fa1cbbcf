"""What the parent and the worker process say to each other."""

from __future__ import annotations

import traceback
from typing import Any

import msgspec

from windlass import errors
from windlass.errors import WindlassError


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Parent to worker: run this."""

    number: int
    function: str
    """`module:function`."""
    argument: bytes
    """Pickled, so that an argument that cannot be read fails the job and not the worker."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Worker to parent, while a job runs."""

    number: int
    content: bytes
    """Pickled."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """Worker to parent: the function returned."""

    number: int
    result: bytes
    """Pickled."""


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """Worker to parent: the function raised. Text only, since exceptions of user classes may not pickle."""

    number: int
    kind: str
    """Class in `windlass.errors`; empty for any other exception."""
    what: str
    where: str = ""
    remedy: str = ""
    plain: str = ""
    """Without any value of a row; empty: `what` shows none."""
    traceback: str


def describe(number: int, error: BaseException, *, where: str) -> Raised:
    """`error` as text that always survives the way to the parent."""
    text = "".join(traceback.format_exception(error))
    if isinstance(error, WindlassError):
        kind = next(base.__name__ for base in type(error).__mro__ if base.__module__ == errors.__name__)
        return Raised(
            number=number,
            kind=kind,
            what=error.what,
            where=error.where,
            remedy=error.remedy,
            plain=error.plain,
            traceback=text,
        )
    what = "".join(traceback.format_exception_only(error)).strip()
    return Raised(number=number, kind="", what=what, where=where, plain=type(error).__name__, traceback=text)


def rebuild(raised: Raised) -> WindlassError:
    """The error to raise in the parent; an exception that is not ours becomes RunFailed with its traceback noted."""
    kind: Any = getattr(errors, raised.kind) if raised.kind else errors.RunFailed
    remedy = raised.remedy or ("" if raised.kind else "the traceback below names the line")
    error: WindlassError = kind(raised.what, where=raised.where, remedy=remedy, plain=raised.plain)
    error.add_note(raised.traceback)
    return error
