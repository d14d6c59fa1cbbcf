"""A PostgreSQL server of one's own: made from nothing, reached by a socket that nobody else knows, gone at the end."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_MISSING = (
    "no PostgreSQL server was found: neither `postgres` on the PATH nor /usr/lib/postgresql/*/bin/postgres.\n"
    "The ledger's tests need one (15 or later); it is started by them and needs no set-up:\n"
    "  apt-get install postgresql        (Debian, Ubuntu)\n"
    "  brew install postgresql@17        (macOS)"
)
_NOT_DURABLE = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


class PostgresServer:
    """A server in a temporary folder. PostgreSQL does not run as root, so root hands it to another user.

    It ends with this process, even if that is killed. With `durable=False` it does not wait for the disk.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._programs = find_programs()
        self._account = _account()
        self._durable = durable
        # Not pytest's own folder: that is closed to other users, and too long for the name of a socket.
        self._folder = Path(tempfile.mkdtemp(prefix="windlass-postgres-", dir="/tmp"))
        if self._account is not None:
            os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[str] | None = None
        self._said: list[str] = []
        self._make()
        self.start()

    def url(self, schema: str = "", *, user: str = "windlass", database: str = "postgres") -> str:
        """Without a `schema` it is one that any client of PostgreSQL reads."""
        return f"postgresql://{user}@/{database}?host={self._folder}" + (f"&schema={schema}" if schema else "")

    def new_url(self) -> str:
        """The URL of a ledger that is not there yet, in a schema of its own."""
        return self.url(f"ledger_{next(self._numbers)}")

    def start(self, *, standby: bool = False) -> None:
        """Start it, also after `stop` or `kill`; returns once it answers. A `standby` only answers questions."""
        signal_file = self._folder / "data" / "standby.signal"
        if standby:
            signal_file.touch()
        else:
            signal_file.unlink(missing_ok=True)
        options = ["listen_addresses=", f"unix_socket_directories={self._folder}", "shared_buffers=64MB"]
        options += [] if self._durable else _NOT_DURABLE
        command = [str(self._programs / "postgres"), "-D", str(self._folder / "data")]
        command += [word for option in options for word in ("-c", option)]
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "INT", *command]
        self._process = self._popen(command)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line)
            if "ready to accept" in line:
                break
        else:
            raise RuntimeError("the PostgreSQL server did not start:\n" + "".join(self._said))
        threading.Thread(target=self._said.extend, args=(self._process.stderr,), daemon=True).start()

    def stop(self) -> None:
        """End it as an administrator does: every session is cut off."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._signal(signal.SIGQUIT)

    def execute(self, statement: str, *parameters: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as the superuser; its rows, if it has any."""
        import psycopg

        with psycopg.connect(host=str(self._folder), user="windlass", dbname=database, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description is not None else []

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make(self) -> None:
        command = [str(self._programs / "initdb"), "--pgdata", str(self._folder / "data"), "--username", "windlass"]
        command += ["--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"]
        made = self._popen(command)
        _, said = made.communicate()
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{said}")

    def _popen(self, command: list[str]) -> subprocess.Popen[str]:
        account = self._account
        who: dict[str, Any] = (
            {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        )
        return subprocess.Popen(
            command,
            cwd=self._folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal is for the tests, which then end it
            **who,
        )

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait()


def find_programs() -> Path:
    """The folder of the newest PostgreSQL on this machine. Raises FileNotFoundError that says how to get one."""
    on_path = shutil.which("postgres")
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    found = [Path(on_path).resolve()] if on_path else packaged[-1:]
    if not found or not (found[0].parent / "initdb").exists():
        raise FileNotFoundError(_MISSING)
    return found[0].parent


def _account() -> pwd.struct_passwd | None:
    """Whom the server runs as; None: as whoever runs this."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]
