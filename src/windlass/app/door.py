"""Where `windlass up` answers: it serves whether it acts or stands by, and waits for its address if that is taken."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Collection
from typing import Protocol

from windlass.errors import UsageError, WindlassError
from windlass.serving.supervisor import Meanwhile, ServingEvent

log = logging.getLogger(__name__)

Hear = Callable[[ServingEvent], None]
_MATTERS = {"heard": "address", "unheard": "address", "captured": "capture", "uncaptured": "capture"}
"""Kinds of events that are about the same, so that the last of them tells how it stands."""
_PASSING = ("ready", "crashed", "hangs", "turned_away")
"""Kinds that tell of what has happened, not of how it stands: whoever comes to listen later has no use for them."""
_AGAIN = 1.0  # seconds between two tries for an address that is taken
_ANSWER = 2.0  # seconds that whoever holds the address has to answer


class Served(Protocol):
    """What stands behind the door; `windlass.serving.supervisor.Server` is the real one."""

    @property
    def url(self) -> str: ...
    def bind(self) -> None: ...
    def start(self) -> object: ...
    def stop(self, *, meanwhile: Meanwhile) -> None: ...


class Door:
    """A server that is opened as soon as its address is free, while the process does other things.

    Serving needs no lease: a standby answers too, where it has an address of its own, and nobody misses an answer when
    it takes over. On the address of a controller that was frozen, that one's workers go on answering, and follow the
    new holder's routing. The address is waited for; that nobody answers there is told.
    """

    def __init__(
        self,
        make: Callable[[Hear], Served],
        *,
        products: Collection[str],
        say: Callable[[str], None],
        ask: Callable[[str], Collection[str] | None] | None = None,
    ) -> None:
        """`make` makes the server, which tells what happens to it and its workers. `ask` answers with the products that
        are served at a URL, None if nobody answers there as a server of ours does.
        """
        self._server = make(self.hear)
        self._products = frozenset(products)
        self._say = say
        self._ask = ask or products_at
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: WindlassError | None = None
        self._told = ""
        self._hearing = threading.Lock()
        self._listener: Hear | None = None
        self._kept: dict[tuple[str, str, str], ServingEvent] = {}
        """The last word of each worker that lives on each product, and on the address; for whoever comes to listen."""

    # -- opening and closing ---------------------------------------------------------------------------------------

    def open(self, *, patient: bool) -> None:
        """Bind the address and serve, in a thread; nothing happens when that is under way already.

        When the address is taken: wait for it if `patient`, else raise UsageError.
        """
        if self._thread is not None:
            return
        if not patient:
            self._server.bind()
        self._thread = threading.Thread(target=self._serve, name="door", daemon=True)
        self._thread.start()

    @property
    def failed(self) -> bool:
        """Whether something kept the server from starting that is no matter of waiting; `check` raises it."""
        return self._failure is not None

    def check(self) -> None:
        """Raise what kept the server from starting."""
        if self._failure is not None:
            raise self._failure

    def close(self, *, meanwhile: Meanwhile = lambda: None) -> None:
        """Answer what is in flight, and end; `meanwhile` is called a few times a second."""
        self._closing.set()
        self._server.stop(meanwhile=meanwhile)
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                self._server.bind()
            except UsageError as taken:
                self._missing(taken)
                self._closing.wait(_AGAIN)
                continue
            try:
                self._server.start()
            except WindlassError as error:
                self._failure = error
                return
            if not self._closing.is_set():
                self._say(f"windlass: serving on {self._server.url} ({', '.join(sorted(self._products))})")
                self.hear(ServingEvent(kind="heard", worker="", detail=self._server.url))
            return

    def _missing(self, taken: UsageError) -> None:
        """The address is taken: by workers of this workspace, which is well, or by something that answers nobody."""
        found = self._ask(self._server.url)
        answered = found is not None and self._products <= set(found)
        self.hear(ServingEvent(kind="heard" if answered else "unheard", worker="", detail=self._server.url))
        told = (
            f"{self._server.url} is served by another process of this workspace; this one serves there when that ends"
            if answered
            else f"{taken.what}; waiting for it, and nobody answers there meanwhile"
        )
        if told != self._told and not self._closing.is_set():
            self._told = told
            log.warning("%s", told)
            self._say(f"windlass: {told}")

    # -- what the workers say --------------------------------------------------------------------------------------

    def listen(self, listener: Hear | None) -> None:
        """From now on `listener` hears what the server tells, beginning with what still matters of before."""
        with self._hearing:
            self._listener = listener
            if listener is not None:
                for event in self._kept.values():
                    listener(event)

    def hear(self, event: ServingEvent) -> None:
        """Something about the server or one of its workers; called from its threads."""
        with self._hearing:
            if event.kind == "died":
                self._kept = {key: said for key, said in self._kept.items() if said.worker != event.worker}
            elif event.kind not in _PASSING:
                what = _MATTERS.get(event.kind, event.kind)
                self._kept.pop((event.worker, event.product, what), None)  # so that it stands after what came before it
                self._kept[event.worker, event.product, what] = event
            if self._listener is not None:
                self._listener(event)


def products_at(url: str) -> Collection[str] | None:
    """The products that are served at `url`; None when nobody answers there, or something else than Windlass."""
    import http.client
    import ssl
    from urllib.parse import urlsplit

    address = urlsplit(url)
    host, port = address.hostname or "", address.port
    if address.scheme == "https":
        # Which of the machine's names the certificate has is not known here; nothing is sent that only one may hear.
        anyone = ssl._create_unverified_context()  # noqa: S323
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=_ANSWER, context=anyone
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=_ANSWER)
    try:
        connection.request("GET", "/readyz")
        products = json.loads(connection.getresponse().read())["products"]
        return set(products)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
