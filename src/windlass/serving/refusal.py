"""Why a request was not answered: one error for each, and the HTTP status that goes with it."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

from windlass.errors import WindlassError
from windlass.product.contract.rows import InvalidRows, MalformedBody, Problem


class NotFound(WindlassError):
    """A product or a version that is not served here."""


class NoChampion(WindlassError):
    """A product that is routed, but has no version that can answer yet."""


class WrongMedia(WindlassError):
    """A body in a format that the route does not read."""


class TooLarge(WindlassError):
    """A body beyond the limit."""


class Overloaded(WindlassError):
    """More requests than the versions here can answer in time."""

    retry_seconds = 1
    """After which it may be otherwise."""

    @classmethod
    def for_seconds(cls, what: str, *, seconds: int) -> Self:
        error = cls(what, remedy="try again a little later")
        error.retry_seconds = seconds
        return error


class CaptureFailed(WindlassError):
    """An answer that could not be written down, and was therefore not given."""


class PredictionFailed(WindlassError):
    """A version that raised, or gave no usable number, and not for these rows alone."""

    error_id: str | None = None

    @classmethod
    def of(cls, what: str, *, error_id: str, remedy: str = "") -> Self:
        """`error_id` is the request's: the log and the captured failure carry it."""
        error = cls(what, remedy=remedy)
        error.error_id = error_id
        return error


class TimedOut(PredictionFailed):
    """A version that has not answered for as long as a call may take."""


class Escaped(PredictionFailed):
    """User code has raised what is no Exception, which the message names."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What the caller is told; each protocol puts it into words of its own."""

    status: int
    message: str
    problems: tuple[Problem, ...] = ()
    error_id: str | None = None
    """By which the log names a failure that the caller cannot mend."""
    headers: tuple[tuple[str, str], ...] = ()


_STATUS: dict[type[WindlassError], HTTPStatus] = {
    InvalidRows: HTTPStatus.UNPROCESSABLE_ENTITY,
    MalformedBody: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    NoChampion: HTTPStatus.SERVICE_UNAVAILABLE,
    Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    CaptureFailed: HTTPStatus.SERVICE_UNAVAILABLE,
    WrongMedia: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TimedOut: HTTPStatus.GATEWAY_TIMEOUT,
    PredictionFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def refusal_for(error: Exception) -> Refusal | None:
    """The refusal behind an error raised on purpose; None for any other, which is a fault of ours."""
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), None)
    if status is None or not isinstance(error, WindlassError):
        return None
    retry = str(getattr(error, "retry_seconds", 1))
    headers = (("Retry-After", retry),) if status is HTTPStatus.SERVICE_UNAVAILABLE else ()
    if isinstance(error, InvalidRows):
        return Refusal(status=status, message=error.what, problems=error.problems, headers=headers)
    message = error.what if not error.remedy else f"{error.what}; {error.remedy}"
    return Refusal(status=status, message=message, error_id=getattr(error, "error_id", None), headers=headers)


def details_of(refusal: Refusal) -> dict[str, object]:
    """What stands beside the message in every protocol: the fields that do not fit, the name of the failure."""
    found: dict[str, object] = {}
    if refusal.problems:
        found["fields"] = refusal.problems
    if refusal.error_id is not None:
        found["error_id"] = refusal.error_id
    return found
