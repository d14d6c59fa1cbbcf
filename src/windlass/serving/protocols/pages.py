"""`/`: what is served here, for a person with a browser or for a program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from starlette.requests import Request

from windlass.records.bundle import Column
from windlass.serving.protocols.openapi import document
from windlass.serving.transport.http import Reply
from windlass.serving.versions.lineup import Board, Lineup

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #888; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
h2 { font-size: 1.15rem; margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem; }
p, td, th { text-align: left; }
table { border-collapse: collapse; }
td, th { padding: .15rem 1rem .15rem 0; }
th { color: var(--soft); font-weight: 500; }
pre { background: #8881; padding: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; border-radius: 6px; }
code { font: .9em ui-monospace, monospace; }
.problem { color: #c33; }
.soft { color: var(--soft); }
"""
_EXAMPLES: dict[str, Any] = {
    "bool": True,
    "int": 1,
    "float": 1.5,
    "str": "text",
    "datetime": "2013-01-01T05:00:00Z",
    "date": "2013-01-01",
}


class Pages:
    """The index and the API's description."""

    def __init__(self, *, board: Board) -> None:
        self._board = board

    def index(self, request: Request) -> Reply:
        lineups = self._board.lineups
        if "text/html" in request.headers.get("accept", ""):
            base = str(request.base_url).rstrip("/")
            return Reply(body=_page(lineups, base).encode(), media="text/html; charset=utf-8")
        products = {
            name: {
                "champion": None if lineup.champion is None else lineup.champion.version,
                "routes": _routes(name),
            }
            for name, lineup in sorted(lineups.items())
        }
        return Reply.json({"products": products, "routes": ["/readyz", "/livez", "/metrics", "/openapi.json", "/v2"]})

    def openapi(self, _: Request) -> Reply:
        return Reply.json(document(self._board.lineups))


def _routes(name: str) -> dict[str, str]:
    return {
        "predict": f"/{name}/predict",
        "outcomes": f"/{name}/outcomes",
        "invocations": f"/{name}/invocations",
        "infer": f"/v2/models/{name}/infer",
    }


def _page(lineups: Mapping[str, Lineup], base: str) -> str:
    sections = "".join(_section(lineup, base) for _, lineup in sorted(lineups.items()))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Windlass</title>"
        f"<meta name=viewport content='width=device-width'><link rel=icon href='data:,'><style>{_STYLE}</style>"
        f"<h1>Windlass serves {len(lineups)} product{'s' if len(lineups) != 1 else ''}</h1>"
        f"<p><a href=/readyz>readyz</a> · <a href=/metrics>metrics</a> · <a href=/openapi.json>openapi.json</a> · "
        f"<a href=/v2>Open Inference Protocol</a></p>{sections or '<p>Nothing is routed here yet.</p>'}"
    )


def _section(lineup: Lineup, base: str) -> str:
    champion, challenger = lineup.champion, lineup.challenger
    parts = [f"<h2>{escape(lineup.product)}</h2>"]
    if champion is None:
        parts.append("<p>No version answers yet.</p>")
    else:
        parts.append(f"<p>{escape(champion.version)} answers.</p>")
    if challenger is not None:
        how = f"answers {lineup.routing.share:.0%} of the keys" if lineup.mode == "canary" else "runs in shadow"
        parts.append(f"<p>{escape(challenger.version)} {how}.</p>")
    parts += [f"<p class=problem>{escape(problem)}</p>" for problem in lineup.problems]
    if champion is not None:
        columns = champion.decoder.columns
        parts.append(f"<pre>{escape(_curl(lineup.product, columns, base))}</pre>{_table(columns)}")
    return "".join(parts)


def _curl(product: str, columns: tuple[Column, ...], base: str) -> str:
    row = {column.name: _EXAMPLES[column.dtype] for column in columns}
    body = json.dumps({"rows": [row]}, ensure_ascii=False).replace("'", r"'\''")
    return f"curl {base}/{product}/predict -H 'Content-Type: application/json' -d '{body}'"


def _table(columns: tuple[Column, ...]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(column.name)}</code><td>{column.dtype}"
        f"<td class=soft>{'may be null' if column.nullable else ''}"
        f"<td class=soft>{'' if column.required else 'optional'}"
        for column in columns
    )
    return f"<table><tr><th>field<th>type<th><th>{rows}</table>"
