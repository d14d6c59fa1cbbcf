"""What machines ask of the server: is it alive, is it ready, what does it serve, how is it doing."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from starlette.requests import Request

from windlass.records.bundle import Compiled
from windlass.serving.metrics import CONTENT_TYPE, Metrics
from windlass.serving.protocols.inference import metadata
from windlass.serving.transport.guard import TERSE
from windlass.serving.transport.http import Reply
from windlass.serving.versions.lineup import Board, Lineup

_TEXT = "text/plain; charset=utf-8"


class Probes:
    """The GET routes that answer from memory."""

    def __init__(self, *, board: Board, metrics: Metrics, uncaptured: Mapping[str, str] | None = None) -> None:
        """`uncaptured`: products whose answers cannot be recorded at the moment, and why."""
        self._board = board
        self._metrics = metrics
        self._uncaptured = {} if uncaptured is None else uncaptured
        self.release = version("windlass")

    # -- Windlass

    def live(self, _: Request) -> Reply:
        return Reply.json({"live": True})

    def ready(self, request: Request) -> Reply:
        """200 when there is a champion and every champion is loaded; what is wrong is told anyway.

        That nothing can be recorded is told too, and no more: only a request that comes shows whether it can again.
        """
        told = (lambda _lineup: {}) if request.scope.get(TERSE) else self._told
        products = {name: told(lineup) for name, lineup in sorted(self._board.lineups.items())}
        ready = self.is_ready()
        return Reply.json({"ready": ready, "products": products}, status=200 if ready else 503)

    def metrics(self, _: Request) -> Reply:
        return Reply(body=self._metrics.render(), media=CONTENT_TYPE)

    # -- MLflow

    def ping(self, request: Request) -> Reply:
        """MLflow's health check: 200, or 404 while nothing can answer."""
        product = request.path_params.get("product")
        healthy = self.is_ready() if product is None else self._board.of(product).ready
        return Reply(body=b"\n", status=200 if healthy else 404, media=_TEXT)

    def version(self, request: Request) -> Reply:
        """The version of the server; of a product, the version that answers."""
        product = request.path_params.get("product")
        text = self.release if product is None else self._board.of(product).leader().version
        return Reply(body=text.encode(), media=_TEXT)

    # -- Open Inference Protocol

    def server(self, _: Request) -> Reply:
        return Reply.json({"name": "windlass", "version": self.release, "extensions": ["binary_tensor_data"]})

    def server_live(self, _: Request) -> Reply:
        return Reply.json({"live": True})

    def server_ready(self, _: Request) -> Reply:
        ready = self.is_ready()
        return Reply.json({"live": True, "ready": ready}, status=200 if ready else 503)

    def model(self, request: Request) -> Reply:
        return Reply.json(metadata(self._board, request.path_params["name"], request.path_params.get("version")))

    def model_ready(self, request: Request) -> Reply:
        lineup = self._board.of(request.path_params["name"])
        asked = request.path_params.get("version")
        ready = lineup.ready if asked is None else lineup.version(asked) is not None
        return Reply.json({"name": lineup.product, "ready": ready}, status=200 if ready else 503)

    def is_ready(self) -> bool:
        """A product that has no champion yet does not take those that have one out of a load balancer."""
        released = [lineup for lineup in self._board.lineups.values() if lineup.routing.champion is not None]
        return bool(released) and all(lineup.ready for lineup in released)

    def _told(self, lineup: Lineup) -> dict[str, Any]:
        champion, challenger, routing = lineup.champion, lineup.challenger, lineup.routing
        return {
            "champion": None if champion is None else champion.version,
            "challenger": None if challenger is None else challenger.version,
            "answers_with": {loaded.version: (loaded.manifest.compiled or Compiled()).form for loaded in lineup.served},
            "mode": lineup.mode,
            "share": routing.share if lineup.mode == "canary" else 0.0,
            "sequence": routing.sequence,
            "problems": [*lineup.problems, *_hanging(lineup), *self._unrecorded(lineup.product)],
        }

    def _unrecorded(self, product: str) -> list[str]:
        why = self._uncaptured.get(product)
        return [] if why is None else [f"answers cannot be recorded, so nobody is answered: {why}"]


def _hanging(lineup: Lineup) -> list[str]:
    champion = lineup.champion
    if champion is None or not champion.calls.overdue:
        return []
    return [f"a call of version {champion.version} hangs, and was given up {champion.calls.away:.0f} s ago"]
