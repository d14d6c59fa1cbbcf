"""The way of a POST past the router.

Starlette tries one pattern after the other and wraps each request in several layers, at about a third of what a
prediction costs. The few POST paths are told apart by their pieces instead. Everything else, and whatever goes wrong
with a POST, is Starlette's.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from windlass.errors import WindlassError
from windlass.serving.errors import Answers
from windlass.serving.http import Poster


class Shortcut:
    """`app`, with its POST routes reached directly."""

    def __init__(self, app: ASGIApp, posts: Mapping[str, Poster], answers: Answers) -> None:
        """`posts`: path template -> endpoint; `app` has the same routes."""
        self._app = app
        self._answers = answers
        self._routes: dict[tuple[int, str], list[tuple[list[str], Poster]]] = {}
        for path, poster in posts.items():
            pieces = path.split("/")
            self._routes.setdefault((len(pieces), pieces[-1]), []).append((pieces, poster))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._find(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        scope["endpoint"], scope["path_params"] = found
        try:
            await found[0](scope, receive, send)
        except ClientDisconnect as error:
            await (await self._answers.nobody_listens(Request(scope), error))(scope, receive, send)
        except WindlassError as error:
            await (await self._answers.refuse(Request(scope), error))(scope, receive, send)
        except Exception as error:
            await (await self._answers.fault(Request(scope), error))(scope, receive, send)
            raise

    def _find(self, path: str) -> tuple[Poster, dict[str, str]] | None:
        pieces = path.split("/")
        for template, poster in self._routes.get((len(pieces), pieces[-1]), ()):
            named: dict[str, str] = {}
            for wanted, given in zip(template, pieces, strict=True):
                if wanted.startswith("{"):
                    if not given:
                        break
                    named[wanted[1:-1]] = given
                elif wanted != given:
                    break
            else:
                return poster, named
        return None
