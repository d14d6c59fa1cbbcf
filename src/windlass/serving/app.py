"""The ASGI application of a worker: which path goes where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from windlass.clock import Clock
from windlass.errors import WindlassError
from windlass.serving.answers.answering import Answering, ShadowWork
from windlass.serving.answers.batching import Batcher
from windlass.serving.answers.capture import Capture
from windlass.serving.answers.crew import Crew, Hung
from windlass.serving.answers.explainer import Explainer
from windlass.serving.limits import THREADS
from windlass.serving.metrics import Metrics
from windlass.serving.protocols import inference, mlflow
from windlass.serving.protocols.binary_tensors import MEDIA
from windlass.serving.protocols.measuring import Measurements
from windlass.serving.protocols.pages import Pages
from windlass.serving.protocols.predict import Outcomes, Predict
from windlass.serving.protocols.probes import Probes
from windlass.serving.shadows.mirror import Shadow
from windlass.serving.transport.direct import Direct
from windlass.serving.transport.errors import Answers
from windlass.serving.transport.guard import Doorstep, Guard, Keyring
from windlass.serving.transport.http import CSV, JSON, Getter, Held, Measured, Poster
from windlass.serving.versions.asking import Question
from windlass.serving.versions.lineup import Board

Repeat = Callable[[ShadowWork, Sequence[Question]], None]
"""Asks the challenger of a work the questions; the works that they come from have it in common."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the application is made of."""

    board: Board
    clock: Clock
    capture: Capture
    metrics: Metrics
    answering: Answering
    batcher: Batcher
    shadow: Shadow
    infer: inference.Infer
    pool: ThreadPoolExecutor
    crew: Crew

    @classmethod
    def of(
        cls,
        *,
        board: Board,
        clock: Clock,
        capture: Capture,
        metrics: Metrics,
        repeat: Repeat | None = None,
        answer_seconds: float = float("inf"),
        latency_budget: float = float("inf"),
        hung: Hung = lambda _asked, _told: None,
    ) -> Parts:
        """`repeat` asks a challenger in shadow; None: in this process. `hung` hears of calls of a champion that have
        not come back after `answer_seconds`; `latency_budget` is in seconds, from a request until its answer."""
        answering = Answering(clock=clock, capture=capture, metrics=metrics)
        pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="read")
        ask = repeat or (lambda work, questions: answering.repeat(work.product, work.challenger, questions))

        def hand_on(works: Sequence[ShadowWork]) -> None:
            questions = answering.questions(works)
            if questions:
                ask(works[0], questions)

        shadow = Shadow(hand_on, metrics=metrics)
        crew, aside = (Crew(name=name, seconds=answer_seconds, hung=hung) for name in ("answer", "trial"))
        batcher = Batcher(answering, crew=crew, aside=aside, pool=pool, mirror=shadow.offer, budget=latency_budget)
        return cls(
            board=board,
            clock=clock,
            capture=capture,
            metrics=metrics,
            answering=answering,
            batcher=batcher,
            shadow=shadow,
            infer=inference.Infer(board=board, batcher=batcher),
            pool=pool,
            crew=crew,
        )


class Application:
    """Every route, counted and timed; with a `keyring` for those who have a token, else for who is at this machine.
    `direct` is a short way to some."""

    def __init__(self, parts: Parts, *, keyring: Keyring | None = None) -> None:
        self.held = Held()
        posts, answers = _posts(parts, self.held, keyring), Answers(parts.clock)
        self.routed = _routed(posts, answers, parts)
        self.direct = Direct(posts, answers=answers, metrics=parts.metrics, keyring=keyring)
        self._app = Measured(Doorstep(self.routed) if keyring is None else Guard(self.routed, keyring), parts.metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _routed(posts: Mapping[str, Poster], answers: Answers, parts: Parts) -> Starlette:
    app = Starlette(
        routes=[
            *(Route(path, poster, methods=["POST"]) for path, poster in posts.items()),
            *_gets(parts),
        ],
        exception_handlers={
            WindlassError: answers.refuse,
            ClientDisconnect: answers.nobody_listens,
            HTTPException: answers.no_route,
            Exception: answers.fault,
        },
    )
    app.router.redirect_slashes = False  # a redirect would send the caller to whatever host he named
    return app


def _posts(parts: Parts, held: Held, keyring: Keyring | None) -> dict[str, Poster]:
    board, batcher, infer = parts.board, parts.batcher, parts.infer
    predict = Predict(board=board, batcher=batcher, explainer=Explainer(parts.crew))
    told: dict[str, Any] = {"board": board, "capture": parts.capture, "clock": parts.clock, "pool": parts.pool}
    told["actor"] = (lambda _: None) if keyring is None else keyring.actor
    outcomes, measurements = Outcomes(metrics=parts.metrics, **told), Measurements(**told)
    invocations = mlflow.Invocations(board=board, batcher=batcher)
    table = [
        ("/{product}/predict", predict, {}),
        ("/{product}/outcomes", outcomes, {}),
        ("/{product}/measurements", measurements, {}),
        ("/{product}/invocations", invocations, {"media": (JSON, CSV), "explain": mlflow.explain}),
        ("/v2/models/{name}/infer", infer, {"media": (JSON, MEDIA), "tensors": True}),
        ("/v2/models/{name}/versions/{version}/infer", infer, {"media": (JSON, MEDIA), "tensors": True}),
    ]
    posts = {path: Poster(handle, route=path, held=held, **more) for path, handle, more in table}  # type: ignore[arg-type]
    return posts | {path.removeprefix("/{product}"): poster for path, poster in posts.items()}


def _gets(parts: Parts) -> list[Route]:
    probes = Probes(board=parts.board, metrics=parts.metrics, uncaptured=parts.capture.failing)
    pages = Pages(board=parts.board)
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
