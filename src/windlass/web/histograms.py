"""Two distributions of one column side by side, small enough for a page with a thousand of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_WIDTH, _HEIGHT, _FOOT = 300.0, 86.0, 15.0
_LONGEST = 24
"""Characters of a label: two of them fit below the bars."""


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Bars of both sides: shares of their rows, in the same bins."""

    first: Sequence[float]
    second: Sequence[float]
    labels: Sequence[str]
    """What each bin holds; shown when pointed at."""
    ends: tuple[str, str] = ("", "")
    """What stands below the first and the last bar."""
    title: str = ""


def histogram(drawn: Histogram) -> Markup:
    """Pairs of bars as inline SVG; colours come from the page's style sheet."""
    count = max(len(drawn.labels), 1)
    highest = max([*drawn.first, *drawn.second, 1e-9])
    step = _WIDTH / count
    bars = []
    for place, (one, other, label) in enumerate(zip(drawn.first, drawn.second, drawn.labels, strict=True)):
        x, width = place * step, max(step * 0.42, 1.0)
        bars.append(
            Markup("<g><title>{}: {} → {}</title>{}{}</g>").format(
                label,
                f"{one:.2%}",
                f"{other:.2%}",
                _bar("before", x + step * 0.06, width, one / highest),
                _bar("after", x + step * 0.06 + width, width, other / highest),
            )
        )
    base = _at(_HEIGHT - _FOOT)
    return Markup(
        '<svg class="histogram" viewBox="0 0 {w} {h}" role="img" aria-label="{title}">{bars}'
        '<line class="axis" x1="0" x2="{w}" y1="{base}" y2="{base}"/>'
        '<text x="0" y="{foot}">{first}</text><text class="end" x="{w}" y="{foot}">{last}</text></svg>'
    ).format(
        w=_at(_WIDTH),
        h=_at(_HEIGHT),
        title=drawn.title,
        bars=Markup("").join(bars),
        base=base,
        foot=_at(_HEIGHT - 3),
        first=_short(drawn.ends[0]),
        last=_short(drawn.ends[1]),
    )


def _short(label: str) -> str:
    """A label that leaves room for the other one; the whole of it is shown when its bar is pointed at."""
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"


def _bar(tone: str, x: float, width: float, height: float) -> Markup:
    reach = height * (_HEIGHT - _FOOT - 2)
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        tone, _at(x), _at(_HEIGHT - _FOOT - reach), _at(width), _at(reach)
    )


def _at(place: float) -> str:
    return f"{place:.1f}".removesuffix(".0")
