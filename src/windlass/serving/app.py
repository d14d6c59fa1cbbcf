"""The ASGI application of a worker: which path goes where."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from windlass.clock import Clock
from windlass.errors import WindlassError
from windlass.records.ids import new_id
from windlass.serving import inference, mlflow
from windlass.serving.answering import Answering
from windlass.serving.capture import Capture
from windlass.serving.http import CSV, JSON, Getter, Measured, Poster, encode, explain
from windlass.serving.limits import THREADS
from windlass.serving.lineup import Board
from windlass.serving.metrics import Metrics
from windlass.serving.pages import Pages
from windlass.serving.predict import Outcomes, Predict
from windlass.serving.probes import Probes
from windlass.serving.refusal import Refusal, refusal_for
from windlass.serving.shadow import Shadow

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the application is made of."""

    board: Board
    clock: Clock
    capture: Capture
    metrics: Metrics
    answering: Answering
    shadow: Shadow
    pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="answer")
    )

    @classmethod
    def of(cls, *, board: Board, clock: Clock, capture: Capture, metrics: Metrics) -> Parts:
        answering = Answering(clock=clock, capture=capture, metrics=metrics)
        shadow = Shadow(answering.repeat, metrics=metrics)
        return cls(board=board, clock=clock, capture=capture, metrics=metrics, answering=answering, shadow=shadow)


def build_app(parts: Parts) -> ASGIApp:
    """Every route, counted and timed."""
    app = Starlette(
        routes=[*_posts(parts), *_gets(parts)],
        exception_handlers={
            WindlassError: _refuse,
            ClientDisconnect: _nobody_listens,
            HTTPException: _no_route,
            Exception: _fault(parts.clock),
        },
    )
    app.router.redirect_slashes = False  # a redirect would send the caller to whatever host he named
    return Measured(app, parts.metrics)


def _posts(parts: Parts) -> list[Route]:
    board, answering, shadow = parts.board, parts.answering, parts.shadow
    infer = inference.Infer(board=board, answering=answering, shadow=shadow)
    outcomes = Outcomes(board=board, capture=parts.capture, clock=parts.clock, metrics=parts.metrics)
    invocations = mlflow.Invocations(board=board, answering=answering, shadow=shadow)
    table = [
        ("/{product}/predict", Predict(board=board, answering=answering, shadow=shadow), {}),
        ("/{product}/outcomes", outcomes, {}),
        ("/{product}/invocations", invocations, {"media": (JSON, CSV), "explain": mlflow.explain}),
        ("/v2/models/{name}/infer", infer, {}),
        ("/v2/models/{name}/versions/{version}/infer", infer, {}),
    ]
    return [
        Route(path, Poster(handle, route=path, pool=parts.pool, shadow=shadow, **more), methods=["POST"])  # type: ignore[arg-type]
        for path, handle, more in table
    ]


def _gets(parts: Parts) -> list[Route]:
    probes, pages = Probes(board=parts.board, metrics=parts.metrics), Pages(board=parts.board)
    table = {
        "/": pages.index,
        "/openapi.json": pages.openapi,
        "/livez": probes.live,
        "/readyz": probes.ready,
        "/metrics": probes.metrics,
        "/ping": probes.ping,
        "/health": probes.ping,
        "/version": probes.version,
        "/{product}/ping": probes.ping,
        "/{product}/health": probes.ping,
        "/{product}/version": probes.version,
        "/v2": probes.server,
        "/v2/health/live": probes.server_live,
        "/v2/health/ready": probes.server_ready,
        "/v2/models/{name}": probes.model,
        "/v2/models/{name}/ready": probes.model_ready,
        "/v2/models/{name}/versions/{version}": probes.model,
        "/v2/models/{name}/versions/{version}/ready": probes.model_ready,
    }
    return [Route(path, Getter(handle, route=path), methods=["GET"]) for path, handle in table.items()]


async def _refuse(request: Request, error: Exception) -> Response:
    """An error raised on purpose, in the words of the route's protocol; any other goes on to `_fault`."""
    refusal = refusal_for(error)
    if refusal is None:
        raise error
    return _error(request, refusal)


def _fault(clock: Clock) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Answers for a fault of ours. Starlette raises it again afterwards, so that the log has its traceback."""

    async def answer(request: Request, error: Exception) -> Response:
        error_id = new_id("e", clock.now())
        _log.error("%s: %s %s failed, as the traceback below says", error_id, request.method, request.url.path)
        message = f"the server failed on this request: {type(error).__name__}; its log names {error_id}"
        return _error(request, Refusal(status=500, message=message, error_id=error_id))

    return answer


async def _no_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = tuple((error.headers or {}).items()) if isinstance(error, HTTPException) else ()
    told = {
        404: f"there is nothing at {request.url.path}; / lists what there is",
        405: f"{request.method} is not for {request.url.path}; use {dict(headers).get('Allow', 'another method')}",
    }
    message = told.get(status, str(getattr(error, "detail", "the request failed")))
    return _error(request, Refusal(status=status, message=message, headers=headers))


async def _nobody_listens(_: Request, __: Exception) -> Response:
    return Response(status_code=400)


def _error(request: Request, refusal: Refusal) -> Response:
    words = getattr(request.scope.get("endpoint"), "explain", explain)
    return Response(encode(words(refusal)), status_code=refusal.status, media_type=JSON, headers=dict(refusal.headers))
