"""What is answered when a request cannot be: refusals, faults of ours, and paths that are not there."""

from __future__ import annotations

import logging

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from windlass.clock import Clock
from windlass.records.ids import new_id
from windlass.serving.refusal import Refusal, refusal_for
from windlass.serving.transport.http import JSON, Explain, Reply, encode, explain

_log = logging.getLogger(__name__)


class Answers:
    """Handlers of errors, in the words of the protocol that the route belongs to."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def reply(self, error: Exception, *, explain: Explain, method: str, path: str) -> Reply:
        """What is told of an error: one raised on purpose in its own words, any other as a fault of ours."""
        refusal = refusal_for(error)
        if refusal is None:
            refusal = self._fault(error, method=method, path=path)
            _log.error("%s: its traceback", refusal.error_id, exc_info=error)
        return Reply.json(explain(refusal), status=refusal.status, headers=refusal.headers)

    async def refuse(self, request: Request, error: Exception) -> Response:
        """An error raised on purpose; any other goes on to `fault`."""
        refusal = refusal_for(error)
        if refusal is None:
            raise error
        return _error(request, refusal)

    async def fault(self, request: Request, error: Exception) -> Response:
        """A fault of ours. Starlette raises it again afterwards, so that the log has its traceback."""
        return _error(request, self._fault(error, method=request.method, path=request.url.path))

    async def no_route(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = tuple((error.headers or {}).items()) if isinstance(error, HTTPException) else ()
        told = {
            404: f"there is nothing at {request.url.path}; / lists what there is",
            405: f"{request.method} is not for {request.url.path}; use {dict(headers).get('Allow', 'another method')}",
        }
        message = told.get(status, str(getattr(error, "detail", "the request failed")))
        return _error(request, Refusal(status=status, message=message, headers=headers))

    async def nobody_listens(self, _: Request, __: Exception) -> Response:
        return Response(status_code=400)

    def _fault(self, error: Exception, *, method: str, path: str) -> Refusal:
        error_id = new_id("e", self._clock.now())
        _log.error("%s: %s %s failed, as the traceback below says", error_id, method, path)
        message = f"the server failed on this request: {type(error).__name__}; its log names {error_id}"
        return Refusal(status=500, message=message, error_id=error_id)


def _error(request: Request, refusal: Refusal) -> Response:
    words = getattr(request.scope.get("endpoint"), "explain", explain)
    return Response(encode(words(refusal)), status_code=refusal.status, media_type=JSON, headers=dict(refusal.headers))
