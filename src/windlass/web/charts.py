"""Line and step charts as inline SVG: no script, no outside file, readable in light and in dark.

Colours come from the page's style sheet (`page.html.j2`) by class, so that a chart follows the reader's theme.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape

Tone = Literal["muted", "first", "second", "accent"]

_WIDTH, _HEIGHT = 960.0, 380.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 16.0, 30.0, 44.0
_TICKS = 5
_LARGEST, _SMALLEST = 1e100, 1e-100  # what lies beyond is no figure that anybody draws
_UNITS = ((1e9, " bn"), (1e6, " M"))
_MOST_UNIT = 1e13
_LETTER = 7.0  # the width of one, in the 12.5 px of the labels
_MOST_LABELS = 8
_GLYPHS = {"retrain": "▲", "rollback": "▼", "alarm": "●", "note": "◆"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve: a value for each position on the x axis, None where there is none."""

    name: str
    values: Sequence[float | None]
    tone: Tone = "first"
    lower: Sequence[float | None] = ()
    upper: Sequence[float | None] = ()
    """The ends of an interval at each position, which is shaded; an end that is None lies beyond the picture, and where
    both are there is no interval."""


@dataclass(frozen=True, kw_only=True)
class Marker:
    """Something that happened at a position of the x axis."""

    position: float
    kind: Literal["retrain", "rollback", "alarm", "note"]
    text: str
    """Shown when pointed at."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawn chart."""

    svg: Markup
    legend: tuple[tuple[str, Tone], ...]
    marks: tuple[tuple[str, str], ...]
    """Glyph and what it stands for, for the kinds of markers that occur."""
    caption: str
    kind: str = "chart"


def line_chart(
    *,
    labels: Sequence[str],
    lines: Sequence[Line],
    markers: Sequence[Marker] = (),
    y_title: str = "",
    caption: str = "",
    steps: bool = False,
) -> Chart:
    """A chart of curves over `labels`, the names of the positions 0, 1, 2, ... on the x axis.

    `steps`: each value holds for the whole stretch of its position, as a window's figure does. Values that are not
    finite are gaps.
    """
    count = max(len(labels), 1)
    low, high, ticks = _scale(_shown(lines))
    area = _Area(count=count, low=low, high=high, steps=steps)
    parts = [_grid(area, ticks), _x_axis(area, labels)]
    parts += [_band(area, line) for line in lines if line.lower]
    parts += [_marker(area, marker) for marker in markers]
    parts += [_curve(area, line, labels) for line in lines]
    if y_title:
        parts.append(Markup('<text class="axis-title" x="{}" y="14">{}</text>').format(f"{_LEFT:.0f}", y_title))
    svg = Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}" preserveAspectRatio="xMidYMid meet">{}</svg>'
    ).format(f"{_WIDTH:.0f}", f"{_HEIGHT:.0f}", caption or y_title or "chart", Markup("").join(parts))
    kinds = dict.fromkeys(marker.kind for marker in markers)
    return Chart(
        svg=svg,
        legend=tuple((line.name, line.tone) for line in lines),
        marks=tuple((_GLYPHS[kind], kind) for kind in kinds),
        caption=caption,
    )


@dataclass(frozen=True, kw_only=True)
class _Area:
    """From positions and values to places in the picture."""

    count: int
    low: float
    high: float
    steps: bool

    def x(self, position: float) -> float:
        span = self.count if self.steps else max(self.count - 1, 1)
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * position / span

    def middle(self, position: int) -> float:
        return self.x(position + 0.5) if self.steps else self.x(position)

    def edges(self, position: int) -> tuple[float, float]:
        """From where to where a position reaches."""
        middle, half = (position + 0.5, 0.5) if self.steps else (float(position), 0.25)
        return self.x(middle - half), self.x(middle + half)

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - (value - self.low) / (self.high - self.low))


def _drawn(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and abs(value) < _LARGEST


def _shown(lines: Sequence[Line]) -> list[float]:
    """All values, and the ends of intervals as far as these are not much farther apart: one that tells nothing must not
    flatten the curves."""
    values = [value for line in lines for value in line.values if value is not None and _drawn(value)]
    ends = [end for line in lines for end in (*line.lower, *line.upper) if end is not None and _drawn(end)]
    if not values:
        return ends
    low, high = min(values), max(values)
    reach = max(high - low, 0.1 * max(abs(low), abs(high)))
    return [*values, *(min(max(end, low - reach), high + reach) for end in ends)]


def _scale(values: Sequence[float | None]) -> tuple[float, float, list[float]]:
    """The ends of the y axis, a little beyond the values, and the ticks within."""
    known = [value for value in values if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high - low <= max(1e-12 * max(abs(high), abs(low)), _SMALLEST):
        reach = abs(high) * 0.1 if abs(high) > _SMALLEST else 1.0
        low, high = low - reach, high + reach
    step = _round_step((high - low) / _TICKS)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [number * step for number in range(first, last + 1)]
    return ticks[0], ticks[-1], ticks


def _round_step(rough: float) -> float:
    """The next of 1, 2, 2.5, 5 or 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _figures(ticks: Sequence[float]) -> list[str]:
    """The ticks as text, all in one unit, with as many places as tell them apart."""
    largest = max(abs(tick) for tick in ticks)
    unit, sign = next(((unit, sign) for unit, sign in _UNITS if largest >= unit), (1.0, ""))
    step = (ticks[1] - ticks[0]) / unit
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**places - round(step * 10**places)) > 1e-6:
        places += 1
    if places > 6 or largest >= _MOST_UNIT:
        return [f"{tick:.3g}" for tick in ticks]
    return [f"{tick / unit + 0.0:,.{places}f}{sign}" for tick in ticks]


def _grid(area: _Area, ticks: Sequence[float]) -> Markup:
    rows = [
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/><text class="tick end" x="{}" y="{}">{}</text>'
        ).format(
            _at(_LEFT),
            _at(_WIDTH - _RIGHT),
            _at(_LEFT - 8),
            _at(area.y(tick) + 4),
            figure,
            y=_at(area.y(tick)),
        )
        for tick, figure in zip(ticks, _figures(ticks), strict=True)
    ]
    return Markup("").join(rows)


def _x_axis(area: _Area, labels: Sequence[str]) -> Markup:
    """At most eight labels and no more than there is room for, evenly spread, the last one kept inside the picture."""
    room = int((_WIDTH - _LEFT - _RIGHT) // (_LETTER * (2 + max(map(len, labels), default=0))))
    every = max(1, math.ceil(len(labels) / max(1, min(_MOST_LABELS, room))))
    texts = []
    for position in range(0, len(labels), every):
        x = area.middle(position)
        side = "end" if x > _WIDTH - 40 else "middle"
        texts.append(
            Markup('<text class="tick {}" x="{}" y="{}">{}</text>').format(
                side, _at(x), _at(_HEIGHT - _BOTTOM + 20), labels[position]
            )
        )
    base = Markup('<line class="axis" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(
        _at(_LEFT), _at(_WIDTH - _RIGHT), y=_at(_HEIGHT - _BOTTOM)
    )
    return base + Markup("").join(texts)


def _curve(area: _Area, line: Line, labels: Sequence[str]) -> Markup:
    commands: list[str] = []
    dots: list[Markup] = []
    pen_down = False
    for position, value in enumerate(line.values):
        if value is None or not _drawn(value):
            pen_down = False
            continue
        y = _at(area.y(value))
        if area.steps:
            commands.append(f"{'L' if pen_down else 'M'}{_at(area.x(position))} {y}H{_at(area.x(position + 1))}")
        else:
            commands.append(f"{'L' if pen_down else 'M'}{_at(area.x(position))} {y}")
        pen_down = True
        label = labels[position] if position < len(labels) else str(position)
        dots.append(
            Markup('<circle class="dot" cx="{}" cy="{}" r="2.5"><title>{}, {}: {}</title></circle>').format(
                _at(area.middle(position)), y, line.name, label, f"{value:.5g}"
            )
        )
    path = Markup('<path d="{}"/>').format("".join(commands)) if commands else Markup("")
    return Markup('<g class="curve {}">{}{}</g>').format(line.tone, path, Markup("").join(dots))


def _band(area: _Area, line: Line) -> Markup:
    """The interval of each position as a piece of its own, cut at the ends of the picture."""
    pieces = []
    for position, (lower, upper) in enumerate(zip(line.lower, line.upper, strict=True)):
        if lower is None and upper is None:
            continue
        top = area.high if upper is None or not _drawn(upper) else min(upper, area.high)
        bottom = area.low if lower is None or not _drawn(lower) else max(lower, area.low)
        left, right = area.edges(position)
        if top >= bottom:
            pieces.append(f"M{_at(left)} {_at(area.y(bottom))}V{_at(area.y(top))}H{_at(right)}V{_at(area.y(bottom))}Z")
    return Markup('<g class="band {}"><path d="{}"/></g>').format(line.tone, "".join(pieces)) if pieces else Markup("")


def _marker(area: _Area, marker: Marker) -> Markup:
    """What changed the model stands on a line through the picture, above it; what was merely noticed on the axis."""
    x = _at(area.x(marker.position))
    if marker.kind in ("alarm", "note"):
        return Markup('<g class="marker {}"><title>{}</title><text x="{}" y="{}">{}</text></g>').format(
            marker.kind, marker.text, x, _at(_HEIGHT - _BOTTOM + 4), _GLYPHS[marker.kind]
        )
    return Markup(
        '<g class="marker {}"><title>{}</title><line x1="{x}" x2="{x}" y1="{}" y2="{}"/>'
        '<text x="{x}" y="{}">{}</text></g>'
    ).format(
        marker.kind,
        marker.text,
        _at(_TOP - 2),
        _at(_HEIGHT - _BOTTOM),
        _at(_TOP - 6),
        _GLYPHS[marker.kind],
        x=x,
    )


def _at(place: float) -> str:
    return str(escape(f"{place:.1f}".removesuffix(".0")))
