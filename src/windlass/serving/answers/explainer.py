"""Explanations on request: whether one is wanted, which requests may have one, and one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from urllib.parse import parse_qs

import msgspec

from windlass.product.contract import Decoded, InvalidRows, Problem, RowDecoder
from windlass.serving.answers.answering import Answer, Reader
from windlass.serving.answers.crew import Crew
from windlass.serving.limits import MOST_EXPLAINED, MOST_EXPLANATIONS
from windlass.serving.refusal import Overloaded
from windlass.serving.versions.explaining import ROWS_AT_ONCE, Explanation, check_explainable, explain
from windlass.serving.versions.lineup import Lineup
from windlass.serving.versions.patience import NoAnswer

_WANTED = {"true": True, "1": True, "false": False, "0": False}


def wants_explanation(query: str) -> bool:
    """What a query string says of `explain`. Raises InvalidRows for what is neither true nor false."""
    given = parse_qs(query, keep_blank_values=True).get("explain", ["false"])[-1]
    wanted = _WANTED.get(given.lower())
    if wanted is None:
        raise InvalidRows.of([Problem(field="explain", row=None, reason=f"must be true or false, is {given[:50]!r}")])
    return wanted


class Explainer:
    """Explains answers beside the batches: whoever asks for none is not held up."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    def reader(self, body: bytes, lineup: Lineup) -> Reader:
        """Reads the rows as any request; raises InvalidRows, before anything is answered, for more than can be
        explained and for versions that cannot be. Raises Overloaded when too many wait already."""
        if self._waiting >= MOST_EXPLANATIONS:
            raise Overloaded("too many explanations are asked for", remedy="try again a little later")
        for loaded in lineup.served if lineup.mode == "canary" else (lineup.leader(),):
            check_explainable(loaded)

        def read(decoder: RowDecoder) -> Decoded:
            decoded = decoder.read(body)
            if len(decoded) > MOST_EXPLAINED:
                reason = f"{len(decoded)} rows are too many to explain; send at most {MOST_EXPLAINED} at a time"
                raise InvalidRows.of([Problem(field="rows", row=None, reason=reason)])
            return decoded

        return read

    async def explained(self, answers: Sequence[Answer], body: bytes, lineup: Lineup) -> list[Answer]:
        """The answers with their explanations, each by the version that gave it."""
        self._waiting += 1
        try:
            async with self._turn:
                found = await self._crew.begin(partial(_explain, answers, body, lineup))
        except NoAnswer as error:
            found = [Explanation(problem=str(error))] * len(answers)
        finally:
            self._waiting -= 1
        return [msgspec.structs.replace(answer, explanation=each) for answer, each in zip(answers, found, strict=True)]


def _explain(answers: Sequence[Answer], body: bytes, lineup: Lineup) -> list[Explanation]:
    found: dict[int, Explanation] = {}
    for version in {answer.version for answer in answers}:
        loaded = lineup.version(version)
        places = [place for place, answer in enumerate(answers) if answer.version == version]
        frame = loaded.decoder.read(body).take(places).frame
        try:
            told = lineup.hear(loaded, ROWS_AT_ONCE, partial(explain, loaded, frame))
        except NoAnswer as error:
            told = [Explanation(problem=str(error))] * len(places)
        found.update(zip(places, told, strict=True))
    return [found[place] for place in range(len(answers))]
