"""How soon decay is found, how seldom it is called without cause, and what a row costs: the very functions of the loop.

    python bench/decay.py [--streams 1000] [--null 10000000] [--references 200]

Bernoulli losses: an error rate of 10 % that rises to 15 % or 20 % after 5,000 rows; the reference is learned of 2,000,
10,000 or 50,000 rows. Without a change: `--null` rows in all, each stretch against a reference of its own,
begun anew after each alarm. Ends: the rate stays up for 20,000 rows and is 10 % again then. Bursts: good
and bad times follow each other, as they did on the holdout. Rankings: of a calibrated model with an area under the ROC
curve of .85 the losses are judged alone, and beside its ranking, which falls to .70, or does not. ADWIN (River), which
needs no reference and promises no rate, sees streams of errors, too: as it comes, and set so that it is wrong about as
often. Figures are seeded.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
from river.drift import ADWIN
from scipy.special import ndtri

from windlass.decisions.decay import RUN_LENGTH, DecayEvidence, decide_decay
from windlass.decisions.loss_reference import LossReference, summarise_losses, summarise_ranking, upper_mean
from windlass.decisions.rising import Judged, path_of, shared_errors
from windlass.decisions.statistics.losses import brier
from windlass.decisions.statistics.sequential import change_evidence
from windlass.decisions.statistics.stretches import misordered
from windlass.records.decision import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BEFORE, AFTER = 5_000, 6_000
STOOD, HEALED = 20_000, 10_000
BURSTY = 20_000
NOW = datetime(2025, 1, 1, tzinfo=UTC)
RATE = 0.1
AREA, FALLEN = 0.85, 0.70
RANKED_AFTER = 60_000


def reference_of(random: np.random.Generator, rows: int) -> LossReference:
    """What is learned of a holdout of so many rows."""
    reference = summarise_losses((random.random(rows) < RATE).astype(float), bounded=True)
    assert reference is not None
    return reference


def alarms_in(losses: Floats, reference: LossReference) -> NDArray[np.int64]:
    """The rows with which the evidence suffices, judged in the blocks that the holdout asks for."""
    block = reference.block
    means = losses[: len(losses) // block * block].reshape(-1, block).mean(axis=1)
    evidence = block * change_evidence(means, upper_mean(reference))
    return block * (np.flatnonzero(evidence >= RUN_LENGTH) + 1) - 1


def delay(random: np.random.Generator, *, reference: int, rate: float) -> float:
    """Rows from the change to the alarm; NaN for an alarm before it."""
    losses = np.concatenate([random.random(BEFORE) < RATE, random.random(AFTER) < rate]).astype(float)
    raised = alarms_in(losses, reference_of(random, reference))
    if len(raised) == 0:
        return float(AFTER)
    return float(raised[0] - BEFORE + 1) if raised[0] >= BEFORE else float("nan")


def adwin(losses: Floats, delta: float) -> list[int]:
    """The rows at which River's ADWIN says that the mean has changed; it goes on by itself."""
    detector, found = ADWIN(delta=delta), list[int]()  # type: ignore[no-untyped-call]  # River has no types there
    for row, loss in enumerate(losses.tolist()):
        detector.update(loss)  # type: ignore[no-untyped-call]
        if detector.drift_detected:
            found.append(row)
    return found


def adwin_delay(random: np.random.Generator, *, rate: float, delta: float) -> int:
    """Rows from the change to the first one that ADWIN sees."""
    losses = np.concatenate([random.random(BEFORE) < RATE, random.random(AFTER) < rate]).astype(float)
    return next((row - BEFORE + 1 for row in adwin(losses, delta) if row >= BEFORE), AFTER)


def false_alarms(random: np.random.Generator, *, rows: int, reference: int) -> int:
    """Alarms within `rows` rows without a change, each begun anew after the one before."""
    losses = (random.random(rows) < RATE).astype(float)
    held, start, count = reference_of(random, reference), 0, 0
    while start < rows:
        raised = alarms_in(losses[start:], held)
        if len(raised) == 0:
            break
        count, start = count + 1, start + int(raised[0]) + 1
    return count


def end(random: np.random.Generator, *, reference: int, rate: float) -> float:
    """Rows from the return to the end of the alarm, to within 20; NaN: it had ended before; infinite: it never did."""
    held = summarise_losses((random.random(reference) < RATE).astype(float), bounded=True)
    losses = np.concatenate([random.random(STOOD) < rate, random.random(HEALED) < RATE]).astype(float)

    def alarmed(rows: int) -> bool:
        return decide_decay(DecayEvidence(reference=held, losses=losses[:rows]), NOW).verdict == "alarm"

    low, high = STOOD, len(losses)
    if not alarmed(low):
        return float("nan")
    if alarmed(high):
        return float("inf")
    while high - low > 20:
        middle = (low + high) // 2
        low, high = (middle, high) if alarmed(middle) else (low, middle)
    return float(high - STOOD)


def bursts(random: np.random.Generator, rows: int, stay: int) -> Floats:
    """Errors that come in good and bad times, which last `stay` rows on average."""
    bad = (np.cumsum(random.random(rows) < 1 / stay) + random.integers(2)) % 2 == 1
    return (random.random(rows) < np.where(bad, 1.6 * RATE, 0.4 * RATE)).astype(float)


def in_bursts(random: np.random.Generator, *, reference: int, stay: int) -> Decision:
    """What is decided where nothing changes; at most one in five may alarm where a rate is promised."""
    held = summarise_losses(bursts(random, reference, stay), bounded=True)
    return decide_decay(DecayEvidence(reference=held, losses=bursts(random, BURSTY, stay)), NOW)


def ranked(random: np.random.Generator, rows: int, *, rate: float, area: float) -> tuple[Floats, Floats]:
    """Outcomes, and probabilities that are calibrated where the area is `AREA`: two normal distributions of scores."""
    truth = random.random(rows) < rate
    scores = random.normal(size=rows) + float(ndtri(area)) * np.sqrt(2) * truth
    apart = float(ndtri(AREA)) * np.sqrt(2)
    odds = rate / (1 - rate) * np.exp(apart * scores - apart**2 / 2)
    return truth.astype(float), odds / (1 + odds)


def references_of(held: tuple[Floats, Floats]) -> tuple[LossReference, LossReference]:
    losses, ranking = summarise_losses(brier(*held), bounded=True), summarise_ranking(*held)
    assert losses is not None
    assert ranking is not None
    return losses, ranking


def both_paths(held: tuple[LossReference, LossReference], given: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """The evidence after each row: of the losses alone, and of losses and ranking together."""
    places, losses = np.arange(len(given[0])), brier(*given)
    whole = Judged(reference=held[0], share=1.0, first=places, last=places, least=losses, most=losses)
    first, last, least, most = misordered(*given)
    ranking = Judged(reference=held[1], share=0.5, first=first, last=last, least=least, most=most, ranks=True)
    together = [0.5 * path_of(each, len(losses), shared_errors(2)) for each in (whole, ranking)]
    return path_of(whole, len(losses), shared_errors(1)), together[0] + together[1]


def first_raised(path: Floats) -> float:
    raised = np.flatnonzero(path >= RUN_LENGTH)
    return float(raised[0] + 1) if len(raised) else float("inf")


def ranking_delays(random: np.random.Generator, *, reference: int, rate: float) -> tuple[float, float]:
    """Rows from the fall to the alarm, of the losses alone and with the ranking; infinite: not within 60,000."""
    held = references_of(ranked(random, reference, rate=rate, area=AREA))
    alone, together = both_paths(held, ranked(random, RANKED_AFTER, rate=rate, area=FALLEN))
    return first_raised(alone), first_raised(together)


def false_rankings(random: np.random.Generator, *, rows: int, reference: int, rate: float) -> int:
    """Alarms of both together within `rows` rows without a change, each begun anew after the one before."""
    held = references_of(ranked(random, reference, rate=rate, area=AREA))
    truth, said = ranked(random, rows, rate=rate, area=AREA)
    start, count = 0, 0
    while start < rows:
        raised = first_raised(both_paths(held, (truth[start:], said[start:]))[1])
        if not np.isfinite(raised):
            break
        count, start = count + 1, start + int(raised)
    return count


def tell_rankings(random: np.random.Generator, *, streams: int, null: int, references: int) -> None:
    print(f"rows from a fall of the ranking from {AREA:.2f} to {FALLEN:.2f} to the alarm, {streams} streams;")
    print("  the median and 90 of 100 by the losses alone, and by losses and ranking")
    for rate in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5):
        for reference in (5_000, 20_000):
            found = np.array([ranking_delays(random, reference=reference, rate=rate) for _ in range(streams)])
            middle, most = np.quantile(found, [0.5, 0.9], axis=0, method="higher")
            told = "; ".join(f"{each:,.0f}, {other:,.0f}" for each, other in zip(middle, most, strict=True))
            print(f"  {rate:.0%} positive, reference of {reference:6,} rows: {told}")
    part, random = null // references, np.random.default_rng(1)
    for rate, reference in ((0.02, 5_000), (0.02, 50_000), (0.1, 50_000)):
        rows = part * references
        alarms = sum(false_rankings(random, rows=part, reference=reference, rate=rate) for _ in range(references))
        length = "none" if alarms == 0 else f"one in {rows / alarms:,.0f} rows"
        print(f"  no change, {rate:.0%} positive, reference of {reference:,}, {rows:,} rows: {alarms} alarms, {length}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--null", type=int, default=10_000_000)
    parser.add_argument("--references", type=int, default=200)
    asked = parser.parse_args()
    random = np.random.default_rng(0)
    print(f"rows from the change to the alarm, mean of {asked.streams} streams (standard error); alarms before it")
    for reference in (50_000, 10_000, 2_000):
        for rate in (0.15, 0.20):
            found = np.array([delay(random, reference=reference, rate=rate) for _ in range(asked.streams)])
            early = int(np.isnan(found).sum())
            found = found[~np.isnan(found)]
            error = found.std(ddof=1) / np.sqrt(len(found))
            told = f"{found.mean():7.0f} ({error:.0f})   {early} early"
            print(f"  reference of {reference:6,} rows, {RATE:.0%} -> {rate:.0%}: {told}")
    streams = asked.streams // 10
    print(f"ADWIN of River {version('river')}, {streams} such streams, and {asked.null // 5:,} rows without a change")
    for delta in (0.002, 0.05):
        delays = [[adwin_delay(random, rate=rate, delta=delta) for _ in range(streams)] for rate in (0.15, 0.20)]
        told = ", ".join(f"{np.mean(rows):,.0f} ({np.std(rows, ddof=1) / np.sqrt(streams):.0f})" for rows in delays)
        seen = len(adwin((random.random(asked.null // 5) < RATE).astype(float), delta))
        print(f"  delta {delta:g}: 10% -> 15% and 20%: {told}; without a change {seen}")
    print(f"rows from the return to the end of the alarm, {streams} streams: median; 90 of 100")
    for rate in (0.15, 0.20):
        found = np.array([end(random, reference=10_000, rate=rate) for _ in range(streams)])
        early, never = int(np.isnan(found).sum()), int(np.isinf(found).sum())
        middle, most = np.nanquantile(found, [0.5, 0.9])
        told = f"{middle:7,.0f}; {most:,.0f}   {early} early, {never} not within {HEALED:,} rows"
        print(f"  reference of 10,000 rows, {rate:.0%} -> {RATE:.0%}: {told}")
    part = asked.null // asked.references
    for reference in (50_000, 2_000):
        alarms = sum(false_alarms(random, rows=part, reference=reference) for _ in range(asked.references))
        rows = part * asked.references
        length = "none" if alarms == 0 else f"one in {rows / alarms:,.0f} rows"
        print(f"no change, reference of {reference:6,} rows, {rows:,} rows: {alarms} alarms, {length}")
    print(f"no change, errors in bursts of 4 and 16 %, {streams} streams of {BURSTY:,} rows: alarms; without a promise")
    bursty = np.random.default_rng(0)
    for stay, reference in ((20, 5_000), (100, 5_000), (400, 5_000), (400, 2_000), (400, 500)):
        decided = [in_bursts(bursty, reference=reference, stay=stay) for _ in range(streams)]
        raised = sum(each.verdict == "alarm" for each in decided)
        kept = [each for each in decided if each.numbers["promised"]]
        told = f"{raised:3} alarms; {len(decided) - len(kept):3} promise nothing, "
        told += f"of the other {len(kept):3} {sum(each.verdict == 'alarm' for each in kept)} alarm"
        print(f"  bursts of {stay} rows on average, reference of {reference:,} rows: {told}")
    tell_rankings(np.random.default_rng(0), streams=streams, null=asked.null, references=asked.references)
    losses = (random.random(1_000_000) < RATE).astype(float)
    costs = []
    for _ in range(5):
        began = time.process_time()
        change_evidence(losses, 0.11)
        costs.append(time.process_time() - began)
    print(f"a row costs {min(costs):.2f} microseconds of processor time (the least of {len(costs)})")


if __name__ == "__main__":
    main()
