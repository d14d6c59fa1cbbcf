"""Every setting, from wherever it comes: defaults < `windlass.toml` < environment (`WINDLASS_...`) < flags."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from windlass.errors import SettingsError

FILE = "windlass.toml"
_PREFIX = "WINDLASS_"


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where alerts go. Secrets are never here: `..._from` names the environment variable that has one."""

    kind: Literal["webhook", "slack", "email", "alertmanager"]
    url: str = ""
    """Address, for a server that needs no secret in it: `http://HOST/PATH`, `smtp://HOST:PORT`, `smtps://HOST:PORT`."""
    url_from: str = ""
    """Or the variable that has the address."""
    token_from: str = ""
    """The variable that has a bearer token."""
    severity: Literal["info", "warning", "critical"] = "info"
    """The lowest that is told here."""
    products: tuple[str, ...] = ()
    """Those that are told of; empty: all."""
    sender: str = ""
    to: tuple[str, ...] = ()
    username: str = ""
    password_from: str = ""
    """The variable that has the password of the mail server."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a process works with. Built once, by `load_settings`, and passed down."""

    project: Path = Path()
    """Folder of the product files; relative paths below start here."""
    workspace: Path = Path(".windlass")
    """Folder of the ledger, the lake, the registry and all else that is kept, on a local disk."""
    products: tuple[str, ...] = ()
    """Product classes as `module:Class`; empty: every product class in the project's own top-level modules."""
    ledger: str = ""
    """Database URL of the ledger (`postgresql://USER@HOST/DATABASE?schema=team_a`); empty: SQLite in the workspace."""
    signing_key: str = ""
    """Private key (a PEM file, ed25519) that signs the ledger's checkpoints; empty: one is made in the workspace."""
    clock: str = "wall"
    """`wall`, or `shared:PATH` for a clock that another process moves."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8080
    """Port to listen on; 0 takes a free one and prints it."""
    grpc_port: int = 0
    """Port of the Open Inference Protocol over gRPC (extra `grpc`), at the same address; 0: none."""
    workers: int = 1
    """Serving processes."""
    answer_seconds: float = 30.0
    """How long a call of a version may take until whoever waits for it is told that it hangs."""
    latency_budget_seconds: float = 2.0
    """How long a request is to take while others wait, too: batches are kept to it, and who would not be answered in it
    gets 503 at once ([serving](../explanation/serving.md#the-latency-budget))."""
    tls_certificate: str = ""
    """Certificate (a PEM file, with what stands between it and its root) to answer by TLS alone; empty: in clear."""
    tls_key: str = ""
    """Its private key (a PEM file without a password). Renewed files take effect without a restart."""
    demand_tokens: bool = False
    """Ask for tokens on this machine's own addresses too, such as behind a proxy; on any other they always are."""
    durability: Literal["process", "power"] = "process"
    """What a prediction has survived when it is answered: a crash of ours, or a power cut (synced)."""
    poll_seconds: float = 0.5
    """How often the controller looks, in real seconds."""
    watch_rows: int = 2000
    """Rows of a window that drift is judged on; and of the first answers that an imported model is watched against."""
    lease_seconds: float = 10.0
    """How long a controller that has gone silent, and is not known to have ended, is waited for, in real seconds."""
    run_seconds: float = 86_400.0
    """How long one run of user code may take, in real seconds, before its process is ended."""
    run_memory_mb: int = 0
    """Memory that a run may take, all that it starts included, in MB; 0: four fifths of what the machine has."""
    keep_days: float = 90.0
    """How long the steps of runs, settled alarms and logs are kept, and any version that answered, in days."""
    keep_versions: int = 5
    """How many of the newest versions of a product are kept, besides those that the loop may still need."""
    alerts: dict[str, Route] = {}
    """Where alerts go, each under a name of its own ([alerts](../explanation/alerts.md)); as a variable: JSON."""
    alert_group_seconds: float = 30.0
    """How long an alarm waits for others that go into the same message, in event time."""
    actor: str = ""
    """Name written beside what a person asks for; empty: the operating system's user."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much goes into `windlass.log`."""

    @property
    def signing_key_file(self) -> Path | None:
        """Where the setting `signing_key` leads; None: into the workspace."""
        return self.project / self.signing_key if self.signing_key else None


_MOST_PORT = 65_535
_FOLDERS = ("project", "workspace")
_NOT_BELOW_NOTHING = ("run_memory_mb", "keep_versions", "alert_group_seconds")
_ABOVE_NOTHING = (
    "workers",
    "answer_seconds",
    "latency_budget_seconds",
    "poll_seconds",
    "watch_rows",
    "lease_seconds",
    "run_seconds",
    "keep_days",
)


def load_settings(
    *,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings in force in `directory`; a flag that is None counts as not given.

    Raises SettingsError for a name that does not exist or a value that does not fit, naming where it was set.
    """
    start = (directory or Path.cwd()).resolve()
    environment = os.environ if environment is None else environment
    file = find_file(start)
    layers: list[tuple[str, Mapping[str, Any]]] = []
    if file is not None:
        layers.append((str(file), {"project": str(file.parent), **_read(file)}))
    layers.append(("environment", _from_environment(environment)))
    layers.append(("flag", {name: value for name, value in (flags or {}).items() if value is not None}))
    values: dict[str, Any] = {"project": str(start)}
    for where, layer in layers:
        for name, value in layer.items():
            if name not in Settings.__struct_fields__:
                raise SettingsError(
                    f"there is no setting {name!r}",
                    where=where,
                    remedy="see docs/reference/settings.md for all of them",
                )
            values[name] = value
            place = f"{where}, `{name}`"
            _check_folder(name, value, where=place)
            _check_bounds(name, getattr(_convert({name: value}, where=place), name), where=place)
    settings = _convert(values, where="settings")
    return msgspec.structs.replace(settings, workspace=settings.project / settings.workspace)


def _check_folder(name: str, value: Any, *, where: str) -> None:
    """An address would become a folder of that name, and nobody would notice where the data went."""
    if name in _FOLDERS and "://" in str(value):
        raise SettingsError(
            f"{value} is an address, and this is a folder",
            where=where,
            remedy="name a folder on a local disk; of a workspace the ledger alone may lie on a server (`ledger`)",
        )


def _check_bounds(name: str, value: Any, *, where: str) -> None:
    if name == "alerts":
        for route, each in value.items():
            _check_route(route, each, where=where)
        return
    if name in ("port", "grpc_port") and not 0 <= value <= _MOST_PORT:
        raise SettingsError(f"there is no port {value}", where=where, remedy=f"give one from 0 to {_MOST_PORT}")
    if (name in _ABOVE_NOTHING and not value > 0) or (name in _NOT_BELOW_NOTHING and value < 0):
        least = "0 or more" if name in _NOT_BELOW_NOTHING else "more than 0"
        raise SettingsError(f"{value} cannot be its value", where=where, remedy=f"give {least}")


def _check_route(name: str, route: Route, *, where: str) -> None:
    where = f"{where}, route `{name}`"
    if bool(route.url) == bool(route.url_from):
        raise SettingsError("a route needs either `url` or `url_from`", where=where, remedy="give one of them")
    if route.kind == "email" and not (route.sender and route.to):
        raise SettingsError("a route of mail needs `sender` and `to`", where=where, remedy="give both")
    if route.password_from and not route.username:
        raise SettingsError("`password_from` needs `username`", where=where, remedy="give it")


def find_file(start: Path) -> Path | None:
    """The nearest `windlass.toml` in `start` or above it."""
    return next((folder / FILE for folder in (start, *start.parents) if (folder / FILE).is_file()), None)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"not valid TOML: {error}", where=str(file), remedy="mend the line named above") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for variable, text in environment.items():
        if variable.startswith(_PREFIX):
            name = variable.removeprefix(_PREFIX).lower()
            found[name] = [part.strip() for part in text.split(",") if part.strip()] if name == "products" else text
            if name == "alerts":
                try:
                    found[name] = msgspec.json.decode(text)
                except msgspec.DecodeError as error:
                    raise SettingsError(f"not valid JSON: {error}", where=variable, remedy="mend it") from error
    return found


def _convert(values: Mapping[str, Any], *, where: str) -> Settings:
    try:
        return msgspec.convert(
            dict(values), Settings, strict=False, dec_hook=lambda kind, value: Path(value) if kind is Path else value
        )
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"a setting does not fit: {error}", where=where, remedy="see docs/reference/settings.md"
        ) from error
