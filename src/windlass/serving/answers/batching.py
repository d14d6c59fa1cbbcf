"""Requests that come while a version is at work wait, and are then asked about together.

Nobody waits for company: a request that comes alone is asked about at once. While it is, others gather, and the next
call of the model is theirs, so that batches grow with the load and vanish without it. Requests share a batch only if
they have the same lineup; after a swap those that came before it are answered by the version they came for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import msgspec

from windlass.serving.answers.answering import Answered, Answering, Failed, Inquiry, Reader, Result
from windlass.serving.limits import (
    CONTROL_SECONDS,
    CONTROL_SHARE,
    LAST_BATCHES,
    MOST_IN_THREADS,
    MOST_WAITING,
    ROWS_TOGETHER,
    SHORT_SECONDS,
    SMALL_BYTES,
    THREADS,
    TRIALS,
    WAIT_SECONDS,
)
from windlass.serving.refusal import CaptureFailed, Overloaded, PredictionFailed
from windlass.serving.versions.asking import Question
from windlass.serving.versions.lineup import Lineup, Loaded
from windlass.serving.versions.patience import NoAnswer

T = TypeVar("T")
_log = logging.getLogger(__name__)


class _Waiting(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    inquiry: Inquiry
    since: float
    answer: asyncio.Future[Result]


class Pace:
    """Whether the next batch of a product is short enough to be answered on the event loop.

    Two threads that both want the interpreter keep each other waiting, by up to 5 ms at a time, which is several times
    what a short batch takes; and a hop to a thread and back costs a fifth of it. A long batch belongs in a thread,
    where it holds up nothing else. Which of them a product has only shows where no other thread disturbs them: so after
    some batches in threads, none of them very long, the next ones are tried here. If they turn out to be long, twice as
    many go to threads before the next trial. One long batch says little, since any may have to wait for a processor:
    it is the mean of the last that counts, and none counts for much more than is allowed.

    User code has no place on the event loop however short it is: it may run a loop of its own, or ask this very server.
    """

    def __init__(self, lineup: Lineup | None = None) -> None:
        self._digests = frozenset() if lineup is None else frozenset(loaded.digest for loaded in lineup.served)
        self._in_threads = TRIALS
        self._left = TRIALS
        self._mean = 0.0
        """Seconds, of batches on the event loop; older ones count ever less."""

    def knows(self, lineup: Lineup) -> bool:
        """Whether it was learned from all versions of `lineup`."""
        return all(loaded.digest in self._digests for loaded in lineup.served)

    def is_short(self) -> bool:
        """Whether to answer the next batch on the event loop; then `took` is to be told."""
        if self._left:
            self._left -= 1
            return False
        return True

    def took(self, seconds: float) -> None:
        """Take in what a batch on the event loop took."""
        self._mean += (min(seconds, 4 * SHORT_SECONDS) - self._mean) / LAST_BATCHES
        if self._mean > SHORT_SECONDS:
            self._left, self._in_threads = self._in_threads, min(self._in_threads * 2, MOST_IN_THREADS)
            self._mean = 0.0
        elif seconds < SHORT_SECONDS:
            self._in_threads = TRIALS

    def took_in_thread(self, seconds: float) -> None:
        """Take in what a batch in a thread took, what it waited for others included."""
        if seconds > 10 * SHORT_SECONDS:
            self._left = self._in_threads


class Control:
    """When the champion before is to be asked beside the one on probation: seldom, since others wait meanwhile."""

    def __init__(self) -> None:
        self._due = 0.0

    def is_due(self, now: float) -> bool:
        """Whether to ask it."""
        return now >= self._due

    def took(self, seconds: float, now: float) -> None:
        """Take in what asking it took, until `now`."""
        self._due = now + max(CONTROL_SECONDS, seconds / CONTROL_SHARE)


class Batcher:
    """The way from a protocol to the answers. Everything but the work itself happens on the event loop."""

    def __init__(
        self, answering: Answering, *, pool: ThreadPoolExecutor, mirror: Callable[[Inquiry, Question], object]
    ) -> None:
        """`mirror` takes what is to be asked of a challenger in shadow as well, and never blocks."""
        self._answering = answering
        self._pool = pool
        self._mirror = mirror
        self._queues: dict[str, deque[_Waiting]] = defaultdict(deque)
        self._busy: set[str] = set()
        """Products for which a batch is at work, or about to begin."""
        self._alone: dict[str, int] = defaultdict(int)
        self._paces: dict[str, Pace] = {}
        self._controls: dict[str, Control] = defaultdict(Control)
        self._aside = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="trial")
        """For large requests that a version on trial may hold up: they leave the others their threads."""

    async def answer(
        self,
        lineup: Lineup,
        read: Reader,
        *,
        size: int,
        request_id: str | None = None,
        only: Loaded | None = None,
    ) -> Answered:
        """Answers for the rows that `read` finds in a body of `size` bytes.

        Raises InvalidRows, NoChampion, Overloaded, PredictionFailed, CaptureFailed.
        """
        self._check_load(lineup.product)
        leader = only or lineup.leader()
        decoded = await self.off_loop(lambda: read(leader.decoder), size=size)
        inquiry = Inquiry(lineup=lineup, decoded=decoded, read=read, request_id=request_id, only=only)
        result = await (self._wait(inquiry) if len(decoded) <= ROWS_TOGETHER else self._ask_alone(inquiry))
        if isinstance(result, Failed):  # finding out why takes many calls of the version, and holds nobody up
            told = await asyncio.get_running_loop().run_in_executor(self._pool, self._answering.blame, result)
            if inquiry.is_mirrored and isinstance(told, PredictionFailed):  # it counts against the champion
                self._mirror(inquiry, result.question)
            raise told
        if not isinstance(result, Answered):
            raise result
        if inquiry.is_mirrored:
            self._mirror(inquiry, result.question)
        return result

    def close(self) -> None:
        """Wait for what is still being answered."""
        for pool in (self._pool, self._aside):
            pool.shutdown(wait=True)

    async def off_loop(self, work: Callable[[], T], *, size: int) -> T:
        """What `work` returns; in a thread if it has more than a small body of `size` bytes to go through."""
        if size <= SMALL_BYTES:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _check_load(self, product: str) -> None:
        queue = self._queues[product]
        late = queue and time.monotonic() - queue[0].since > WAIT_SECONDS
        if late or len(queue) + self._alone[product] >= MOST_WAITING:
            raise Overloaded(f"{product} has more requests than it can answer", remedy="try again a little later")

    async def _ask_alone(self, inquiry: Inquiry) -> Result:
        product = inquiry.lineup.product
        self._alone[product] += 1
        try:
            pool = self._aside if inquiry.lineup.is_on_trial(inquiry.only) else self._pool
            return (await asyncio.get_running_loop().run_in_executor(pool, self._answering.answer, [inquiry]))[0]
        finally:
            self._alone[product] -= 1

    def _wait(self, inquiry: Inquiry) -> asyncio.Future[Result]:
        loop, product = asyncio.get_running_loop(), inquiry.lineup.product
        waiting = _Waiting(inquiry=inquiry, since=time.monotonic(), answer=loop.create_future())
        self._queues[product].append(waiting)
        if product not in self._busy:
            self._busy.add(product)
            loop.call_soon(self._begin, product)  # after whatever else has arrived by now
        return waiting.answer

    def _begin(self, product: str) -> None:
        batch = self._next(product)
        if not batch:
            self._busy.discard(product)
            return
        inquiries, pace = [waiting.inquiry for waiting in batch], self._pace(batch[0].inquiry.lineup)
        began = time.monotonic()
        if not batch[0].inquiry.lineup.runs_user_code and pace.is_short():
            results = self._here(inquiries)
            pace.took(time.monotonic() - began)
            self._ended(product, batch, results, here=True)
            return

        def done(work: asyncio.Future[list[Result]]) -> None:
            pace.took_in_thread(time.monotonic() - began)
            self._ended(product, batch, work.exception() or work.result(), here=False)

        work = asyncio.get_running_loop().run_in_executor(self._pool, self._answering.answer, inquiries)
        work.add_done_callback(done)

    def _control_of(
        self, inquiries: Sequence[Inquiry], results: list[Result] | BaseException, *, here: bool
    ) -> Callable[[], None] | None:
        """What asks the champion before about a batch that the one on probation has answered; None: it is not due."""
        lineup = inquiries[0].lineup
        if lineup.control is None or inquiries[0].only is not None or isinstance(results, BaseException):
            return None
        control = self._controls[lineup.product]
        if not control.is_due(time.monotonic()):
            return None
        answered = [
            (asked, said.question) for asked, said in zip(inquiries, results, strict=True) if isinstance(said, Answered)
        ]
        return partial(self._timed, control, lineup.control, answered, here=here) if answered else None

    def _control(self, product: str, work: Callable[[], None], *, here: bool) -> None:
        """In the place of a batch, where the one before it was answered, so that both are timed alike."""
        if here:
            work()
            self._begin(product)
            return
        asking = asyncio.get_running_loop().run_in_executor(self._pool, work)
        asking.add_done_callback(lambda _: self._begin(product))

    def _timed(
        self, control: Control, loaded: Loaded, answered: Sequence[tuple[Inquiry, Question]], *, here: bool
    ) -> None:
        began = time.monotonic()
        inquiries, questions = zip(*answered, strict=True)
        try:
            self._answering.ask_control(loaded, inquiries, questions, patiently=here)
        except (NoAnswer, CaptureFailed) as error:
            _log.warning("how long version %s takes now is not known: %s", loaded.version, error)
        except Exception:  # noqa: BLE001 (whatever happens to it, those who wait get their turn)
            _log.exception("how long version %s takes now is not known", loaded.version)
        finally:
            control.took(time.monotonic() - began, time.monotonic())

    def _pace(self, lineup: Lineup) -> Pace:
        """That of the lineup's product; a version that joins it is a new beginning, since it may be slow."""
        pace = self._paces.get(lineup.product)
        if pace is None or not pace.knows(lineup):
            pace = self._paces[lineup.product] = Pace(lineup)
        return pace

    def _here(self, inquiries: Sequence[Inquiry]) -> list[Result] | BaseException:
        try:
            return self._answering.answer(inquiries, patiently=True)
        except Exception as error:  # noqa: BLE001 (told to the callers, as one of a thread is)
            return error

    def _next(self, product: str) -> list[_Waiting]:
        """Those who wait longest, as many as go together."""
        queue, batch, rows = self._queues[product], list[_Waiting](), 0
        while queue:
            inquiry = queue[0].inquiry
            rows += len(inquiry.decoded)
            if batch and (rows > ROWS_TOGETHER or not _go_together(batch[0].inquiry, inquiry)):
                break
            batch.append(queue.popleft())
        return batch

    def _ended(
        self, product: str, batch: Sequence[_Waiting], results: list[Result] | BaseException, *, here: bool
    ) -> None:
        for place, waiting in enumerate(batch):
            if waiting.answer.done():  # its caller has gone
                continue
            if isinstance(results, BaseException):
                waiting.answer.set_exception(results)
            else:
                waiting.answer.set_result(results[place])
        # In the turn after next of the loop. The next one sends these answers out, and has whoever came meanwhile stand
        # in line; a batch begun there would hold the answers back, and leave those who came to the one after it.
        loop = asyncio.get_running_loop()
        control = self._control_of([waiting.inquiry for waiting in batch], results, here=here)
        then = partial(self._begin, product) if control is None else partial(self._control, product, control, here=here)
        loop.call_soon(loop.call_soon, then)


def _go_together(one: Inquiry, other: Inquiry) -> bool:
    return one.lineup is other.lineup and one.only is other.only
