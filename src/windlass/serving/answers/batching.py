"""Requests that come while a version is at work wait, and are then asked about together.

Nobody waits for company: a request that comes alone is asked about at once. While it is, others gather, and the next
call of the model is theirs, so that batches grow with the load and vanish without it, as far as the latency budget lets
them. Requests share a batch only if they have the same lineup; after a swap those that came before it are answered by
the version they came for.

A call that takes longer than is usual holds up none but its own callers, and may hang on the rows of one of them: they
are asked about again, in parts, while the next batch begins.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import msgspec

from windlass.product.contract import InvalidRows
from windlass.serving.answers.answering import Answered, Answering, Failed, Inquiry, Reader, Result
from windlass.serving.answers.crew import Crew
from windlass.serving.answers.latency import Latency
from windlass.serving.limits import (
    CONTROL_SECONDS,
    CONTROL_SHARE,
    LAST_BATCHES,
    MOST_IN_THREADS,
    MOST_RETRY_SECONDS,
    MOST_WAITING,
    PARTS,
    ROWS_TOGETHER,
    SHORT_SECONDS,
    SMALL_BYTES,
    TRIALS,
)
from windlass.serving.refusal import CaptureFailed, Overloaded, PredictionFailed
from windlass.serving.versions.asking import Question
from windlass.serving.versions.lineup import Lineup, Loaded
from windlass.serving.versions.patience import NoAnswer
from windlass.serving.versions.turn import Turn

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
        self,
        answering: Answering,
        *,
        crew: Crew,
        aside: Crew,
        pool: ThreadPoolExecutor,
        mirror: Callable[[Inquiry, Question], object],
        budget: float,
    ) -> None:
        """`crew` asks versions; `aside`, for large requests that a version on trial may hold up: they leave the others
        their threads. In the `pool` bodies are read. `mirror` takes what is to be asked of a challenger in shadow as
        well, and never blocks. `budget` is in seconds, from a request until its answer."""
        self._answering = answering
        self._crew = crew
        self._aside = aside
        self._pool = pool
        self._mirror = mirror
        self._queues: dict[str, deque[_Waiting]] = defaultdict(deque)
        self._rows: Counter[str] = Counter()
        """How many wait in each of them."""
        self._latencies: dict[str, Latency] = defaultdict(lambda: Latency(budget))
        self._busy: set[str] = set()
        """Products for which a batch is at work, or about to begin."""
        self._alone: dict[str, int] = defaultdict(int)
        self._paces: dict[str, Pace] = {}
        self._controls: dict[str, Control] = defaultdict(Control)
        self.turned_away: Counter[str] = Counter()
        """Requests of each product that were more than it can answer; whoever tells of them takes them out."""

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

        Raises InvalidRows, NoChampion, Overloaded, PredictionFailed, TimedOut, CaptureFailed.
        """
        self._check_load(lineup.product)
        leader = only or lineup.leader()
        decoded = await self.off_loop(lambda: read(leader.decoder), size=size)
        inquiry = Inquiry(lineup=lineup, decoded=decoded, read=read, request_id=request_id, only=only)
        result = await (self._wait(inquiry) if len(decoded) <= ROWS_TOGETHER else self._ask_alone(inquiry))
        if isinstance(result, Failed):  # finding out why takes many calls of the version, and holds nobody up
            try:
                told = await self._crew.begin(partial(self._answering.blame, result))
            except NoAnswer:
                told = self._answering.failed(result)
            if inquiry.is_mirrored and isinstance(told, PredictionFailed):  # it counts against the champion
                self._mirror(inquiry, result.question)
            elif inquiry.is_mirrored and isinstance(told, InvalidRows):  # unless who is in shadow answers these rows
                failed = msgspec.structs.replace(result.question, failed=result.verdict.batch)
                self._mirror(inquiry, failed)
            raise told
        if not isinstance(result, Answered):
            raise result
        if inquiry.is_mirrored:
            self._mirror(inquiry, result.question)
        return result

    def end(self) -> None:
        """Let nobody wait any longer for what takes longer than is usual."""
        for crew in (self._crew, self._aside):
            crew.end()

    def close(self, seconds: float = 20.0) -> bool:
        """Wait for what is still being answered, for so long; whether all of it has been."""
        self._pool.shutdown(wait=True)
        return self._crew.close(seconds / 2) & self._aside.close(seconds / 2)

    async def off_loop(self, work: Callable[[], T], *, size: int) -> T:
        """What `work` returns; in a thread if it has more than a small body of `size` bytes to go through."""
        if size <= SMALL_BYTES:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _check_load(self, product: str) -> None:
        """Raises Overloaded if one request more would have to wait for longer than the budget lets it. Whoever would
        be first in line is let in however long that is, so that what was learned wrong is learned anew."""
        queue, rows, latency = self._queues[product], self._rows[product], self._latencies[product]
        late = queue and (
            time.monotonic() - queue[0].since > latency.limit or latency.until_answered(rows + 1) > latency.limit
        )
        if late or len(queue) + self._alone[product] >= MOST_WAITING:
            self.turned_away[product] += 1
            raise Overloaded.for_seconds(
                f"{product} has more requests than it can answer",
                seconds=min(max(math.ceil(latency.until_answered(rows)), 1), MOST_RETRY_SECONDS),
            )

    async def _ask_alone(self, inquiry: Inquiry) -> Result:
        product = inquiry.lineup.product
        self._alone[product] += 1
        try:
            crew = self._aside if inquiry.lineup.is_on_trial(inquiry.only) else self._crew
            return (await crew.begin(partial(self._answering.answer, [inquiry])))[0]  # type: ignore[no-any-return]
        except NoAnswer as error:
            return self._answering.given_up([inquiry], error)[0]
        finally:
            self._alone[product] -= 1

    def _wait(self, inquiry: Inquiry) -> asyncio.Future[Result]:
        loop, product = asyncio.get_running_loop(), inquiry.lineup.product
        waiting = _Waiting(inquiry=inquiry, since=time.monotonic(), answer=loop.create_future())
        self._queues[product].append(waiting)
        self._rows[product] += len(inquiry.decoded)
        if product not in self._busy:
            self._busy.add(product)
            loop.call_soon(self._begin, product)  # after whatever else has arrived by now
        return waiting.answer

    def _begin(self, product: str) -> None:
        batch = self._next(product)
        if not batch:
            self._busy.discard(product)
            return
        pace, latency, began = self._pace(batch[0].inquiry.lineup), self._latencies[product], time.monotonic()
        rows, knows = sum(len(waiting.inquiry.decoded) for waiting in batch), batch[0].inquiry.leader.calls.begun
        latency.begins(rows)

        def took(seconds: float) -> None:
            trial = batch[0].inquiry.lineup.challenger
            held_up = trial is not None and trial.calls.overdue  # which no batch will be that comes next
            if knows and not held_up:  # in the first call of a version much may be loaded
                latency.took(seconds, rows)

        if not batch[0].inquiry.lineup.runs_user_code and pace.is_short():
            inquiries = [waiting.inquiry for waiting in batch]
            results = self._here(inquiries)
            seconds = time.monotonic() - began
            pace.took(seconds)
            took(seconds)
            self._tell(batch, results)
            self._go_on(product, self._control_of(inquiries, results, here=True), here=True)
            return
        goes_on = False

        def go_on(control: Callable[[], None] | None = None, *, late: bool = False) -> None:
            nonlocal goes_on
            if not goes_on:
                goes_on = True
                seconds = time.monotonic() - began
                pace.took_in_thread(seconds)
                if late:
                    latency.leaves()
                else:
                    took(seconds)
                self._go_on(product, control, here=False)

        self._ask(batch, go_on)

    def _ask(self, batch: Sequence[_Waiting], go_on: Callable[..., None]) -> None:
        """Answer a batch in a thread; `go_on` is told, at least once, when the next one may begin, and what asks the
        champion before it if that is due."""
        divided, inquiries = False, [waiting.inquiry for waiting in batch]

        def late(turn: Turn) -> None:
            nonlocal divided
            if len(batch) > 1 and turn.give_up():  # which of them it hangs on nobody knows
                divided = True
                size = -(-len(batch) // PARTS)
                for first in range(0, len(batch), size):
                    self._ask(batch[first : first + size], go_on)
            go_on(late=True)

        def done(work: asyncio.Future[list[Result]]) -> None:
            results = work.exception() or work.result()
            if divided:
                return
            if isinstance(results, NoAnswer):
                results = self._given_up(inquiries, results)
            self._tell(batch, results)
            go_on(self._control_of(inquiries, results, here=False))

        self._crew.begin(partial(self._answering.answer, inquiries), late=late).add_done_callback(done)

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
        self._crew.begin(work).add_done_callback(lambda _: self._begin(product))

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

    def _given_up(self, inquiries: Sequence[Inquiry], why: NoAnswer) -> list[Result] | BaseException:
        try:
            return self._answering.given_up(inquiries, why)
        except Exception as error:  # noqa: BLE001 (told to the callers, who would wait for ever)
            return error

    def _next(self, product: str) -> list[_Waiting]:
        """Those who wait longest, as many as go together within the budget. A version whose first call has not come
        back yet is asked about one request alone, on which that hangs if it does."""
        queue, batch, rows, most = self._queues[product], list[_Waiting](), 0, self._latencies[product].most_rows
        while queue:
            inquiry = queue[0].inquiry
            rows += len(inquiry.decoded)
            if batch and (rows > most or not _go_together(batch[0].inquiry, inquiry)):
                break
            if batch and not inquiry.leader.calls.begun:
                break
            batch.append(queue.popleft())
            self._rows[product] -= len(inquiry.decoded)
        return batch

    @staticmethod
    def _tell(batch: Sequence[_Waiting], results: list[Result] | BaseException) -> None:
        for place, waiting in enumerate(batch):
            if waiting.answer.done():  # its caller has gone
                continue
            if isinstance(results, BaseException):
                waiting.answer.set_exception(results)
            else:
                waiting.answer.set_result(results[place])

    def _go_on(self, product: str, control: Callable[[], None] | None, *, here: bool) -> None:
        # In the turn after next of the loop. The next one sends these answers out, and has whoever came meanwhile stand
        # in line; a batch begun there would hold the answers back, and leave those who came to the one after it.
        loop = asyncio.get_running_loop()
        then = partial(self._begin, product) if control is None else partial(self._control, product, control, here=here)
        loop.call_soon(loop.call_soon, then)


def _go_together(one: Inquiry, other: Inquiry) -> bool:
    return one.lineup is other.lineup and one.only is other.only
