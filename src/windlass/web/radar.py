"""A radar of dimensions: one spoke each, as far out as its level."""

from __future__ import annotations

import math
from collections.abc import Mapping

from markupsafe import Markup

_SIZE, _CENTRE, _RADIUS = 420, 210, 130
_BESIDE = 60
"""Room for labels on either side, at the least."""
_LETTER = 8
"""How wide one of a label is, about."""


def radar(levels: Mapping[str, int | None], *, lowest: int, highest: int) -> Markup:
    """The picture; what was not assessed has a dashed spoke and no point. Fewer than three spokes make no area."""
    names = list(levels)
    rings = Markup("").join(_ring(len(names), level, lowest, highest) for level in range(lowest + 1, highest + 1))
    spokes = Markup("").join(
        Markup('<line class="{}" x1="{c}" y1="{c}" x2="{}" y2="{}"/>').format(
            "spoke" if levels[name] is not None else "spoke open", *_at(place, len(names), 1.0), c=_CENTRE
        )
        for place, name in enumerate(names)
    )
    points = [
        _at(place, len(names), _share(level, lowest, highest))
        for place, name in enumerate(names)
        if (level := levels[name]) is not None
    ]
    area = Markup('<polygon class="area" points="{}"/>').format(_joined(points)) if len(points) > 2 else Markup("")
    dots = Markup("").join(Markup('<circle class="point" cx="{}" cy="{}" r="4"/>').format(*point) for point in points)
    labels = Markup("").join(_label(place, name, levels[name], len(names)) for place, name in enumerate(names))
    said = ", ".join(f"{name} {'not assessed' if level is None else level}" for name, level in levels.items())
    beside = max(_BESIDE, _LETTER * max(map(len, names), default=0) - _CENTRE // 3)
    return Markup('<svg class="radar" viewBox="{} 20 {} {}" role="img" aria-label="{}">{}</svg>').format(
        -beside, _SIZE + 2 * beside, _SIZE - 40, said, rings + spokes + area + dots + labels
    )


def _share(level: int, lowest: int, highest: int) -> float:
    """The lowest level has a place of its own near the centre, so that it is seen."""
    return 0.12 + 0.88 * (level - lowest) / max(1, highest - lowest)


def _at(place: int, count: int, share: float) -> tuple[str, str]:
    angle = 2 * math.pi * place / max(1, count) - math.pi / 2
    return f"{_CENTRE + _RADIUS * share * math.cos(angle):.1f}", f"{_CENTRE + _RADIUS * share * math.sin(angle):.1f}"


def _joined(points: list[tuple[str, str]]) -> str:
    return " ".join(",".join(point) for point in points)


def _ring(count: int, level: int, lowest: int, highest: int) -> Markup:
    points = [_at(place, count, _share(level, lowest, highest)) for place in range(count)]
    return Markup('<polygon class="ring" points="{}"/>').format(_joined(points))


def _label(place: int, name: str, level: int | None, count: int) -> Markup:
    x, y = _at(place, count, 1.22)
    side = "middle" if abs(float(x) - _CENTRE) < 20 else "start" if float(x) > _CENTRE else "end"
    said = "not assessed" if level is None else str(level)
    return Markup(
        '<text x="{x}" y="{y}" class="{side}">{}<tspan class="level" x="{x}" dy="17">{}</tspan></text>'
    ).format(name, said, x=x, y=f"{float(y) - 8:.1f}", side=side)
