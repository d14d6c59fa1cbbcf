"""Where the server is, and what can be asked of it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

NUMBERS = {f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)} | {"FP16", "FP32", "FP64"}
DATATYPES = NUMBERS | {"BOOL", "BYTES"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--url", required=False, help="the server, such as http://127.0.0.1:8080")
    parser.addoption("--model", help="the name of a model that it serves")
    parser.addoption("--request", help="a file with an inference request that the model answers")


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass
class Server:
    url: str
    model: str

    def get(self, path: str) -> Answer:
        return self._ask(urllib.request.Request(f"{self.url}{path}"))

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> Answer:
        sent = {"Content-Type": "application/json", **(headers or {})}
        return self._ask(urllib.request.Request(f"{self.url}{path}", body, sent))

    def infer(self, request: Any, model: str | None = None) -> Answer:
        return self.post(f"/v2/models/{model or self.model}/infer", json.dumps(request).encode())

    def _ask(self, request: urllib.request.Request) -> Answer:
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return _answer(reply)
        except urllib.error.HTTPError as error:
            return _answer(error)


def _answer(reply: Any) -> Answer:
    return Answer(reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.read())


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Server:
    url, model = request.config.getoption("--url"), request.config.getoption("--model")
    if not url or not model:
        raise pytest.UsageError("give --url and --model")
    return Server(url.rstrip("/"), model)


@pytest.fixture(scope="session")
def metadata(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.get(f"/v2/models/{server.model}").json
    return found


@pytest.fixture
def valid(request: pytest.FixtureRequest, metadata: dict[str, Any]) -> dict[str, Any]:
    """A request that the model answers."""
    file = request.config.getoption("--request")
    if file:
        given: dict[str, Any] = json.loads(Path(file).read_text())
        return given
    return {"inputs": [_zeros(tensor) for tensor in metadata["inputs"]]}


def _zeros(tensor: dict[str, Any]) -> dict[str, Any]:
    shape = [2 if size < 0 else size for size in tensor["shape"]]
    count = 1
    for size in shape:
        count *= size
    value: Any = {"BYTES": "", "BOOL": False}.get(tensor["datatype"], 0)
    return {"name": tensor["name"], "shape": shape, "datatype": tensor["datatype"], "data": [value] * count}
