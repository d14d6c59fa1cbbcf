"""A backtest in one table and a few sentences; the terminal and the page show the same."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from windlass.backtest.result import BacktestResult, PolicyResult

FIXED = ("frozen", "every-window", "recent")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Rows of text, one for each policy."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: tuple[bool, ...]
    """Which row is the loop's own."""
    sentences: tuple[str, ...]


def summary_of(result: BacktestResult) -> Summary:
    """The table of policies, and what it says in words."""
    with_log_loss = result.task == "binary" and result.metric != "log_loss"
    headings = ["policy", result.metric, *(["log loss"] if with_log_loss else [])]
    headings += ["retrains", "fits", "fit seconds", "overhead seconds"]
    rows = []
    for name, policy in result.policies.items():
        cells = [name, figure(policy.metric)]
        if with_log_loss:
            cells.append(figure(None if policy.log_loss is msgspec.UNSET else policy.log_loss))
        cells += [str(policy.retrains), str(policy.fits)]
        cells += [f"{policy.fit_seconds:.2f}", f"{policy.overhead_seconds:.2f}"]
        rows.append(tuple(cells))
    return Summary(
        headings=tuple(headings),
        rows=tuple(rows),
        strong=tuple(name == "windlass" for name in result.policies),
        sentences=tuple(_sentences(result)),
    )


def gain_over_frozen(result: BacktestResult, name: str) -> float | None:
    """How much better than `frozen` a policy is, in the metric's units; None where either is undefined."""
    frozen, other = result.policies["frozen"].metric, result.policies[name].metric
    if frozen is None or other is None:
        return None
    return other - frozen if result.larger_is_better else frozen - other


def best_fixed(result: BacktestResult) -> str | None:
    """The fixed policy that did best; None when no metric is defined."""
    gains = {name: gain_over_frozen(result, name) for name in FIXED}
    known = {name: gain for name, gain in gains.items() if gain is not None}
    return max(known, key=lambda name: known[name]) if known else None


def figure(value: float | None) -> str:
    """A metric as a table shows it: four decimals below ten, fewer above, none where they would say nothing."""
    if value is None:
        return "-"
    if abs(value) < 10:
        return f"{value:.4f}" if abs(value) >= 1e-3 or value == 0 else f"{value:.4g}"
    return f"{value:,.2f}" if abs(value) < 1e5 else f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.4g}"


def _sentences(result: BacktestResult) -> list[str]:
    better = "larger is better" if result.larger_is_better else "smaller is better"
    undefined = sum(score is None for score in result.policies["frozen"].per_window)
    said = [f"{result.rows:,} rows, {len(result.windows)} windows, {result.metric} by window and averaged; {better}."]
    if undefined:
        windows = f"{undefined} window has" if undefined == 1 else f"{undefined} windows have"
        larger = "" if undefined * 2 < len(result.windows) else " Fewer --windows hold more rows each."
        said.append(
            f"{windows} no {result.metric} (no labels, or one class) and count for nothing in the mean.{larger}"
        )
    best = best_fixed(result)
    if best is None:
        return said
    gain, own = gain_over_frozen(result, best), gain_over_frozen(result, "windlass")
    if best == "frozen" or gain is None or own is None:
        said.append("Retraining gained nothing on average here.")
        return said
    windlass: PolicyResult = result.policies["windlass"]
    said.append(
        f"Of the fixed policies {best} did best, {figure(gain)} better than frozen with "
        f"{_times(result.policies[best].retrains)}; windlass was {figure(abs(own))} "
        f"{'better' if own >= 0 else 'worse'} than frozen with {_times(windlass.retrains)} "
        f"({own / gain:.0%} of that gain)."
    )
    error = standard_error(result, best)
    if error is not None:
        doubt = " It may be noise: there may be nothing to gain." if gain < 2 * error else ""
        said.append(f"That gain has a standard error of {figure(error)} from window to window.{doubt}")
    return said


def standard_error(result: BacktestResult, name: str) -> float | None:
    """Of a policy's mean gain over `frozen`, by how its gain varies between windows; None: of one window nothing is."""
    pairs = zip(result.policies[name].per_window, result.policies["frozen"].per_window, strict=True)
    gains = [own - frozen for own, frozen in pairs if own is not None and frozen is not None]
    return float(np.std(gains, ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else None


def _times(count: int) -> str:
    return f"{count} retrain{'' if count == 1 else 's'}"
