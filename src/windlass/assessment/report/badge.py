"""A badge that names the model, the level, what it rests on, and the rules."""

from __future__ import annotations

from html import escape

from windlass.assessment.records import Assessment

_TONES = ("#8a929a", "#b3631b", "#a88600", "#2f7fb5", "#0b7a6b")
_LETTER = 6.6
"""Pixels, on the average, of the font in its size."""


def to_badge(found: Assessment, model: str) -> str:
    """An SVG picture of one line. The figures are on it, so that a badge of old rules is told from one of new ones."""
    score = found.models[model]
    left = f"MLOps {model}"
    level = "no level" if score.level is None else f"level {score.level}"
    right = f"{level} | {found.mode} | rules {found.rules}"
    tone = _TONES[0] if score.level is None else _TONES[min(score.level, len(_TONES) - 1)]
    first, second = (round(len(text) * _LETTER + 14) for text in (left, right))
    label = escape(f"{left}: {right}", quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{first + second}" height="20" role="img" aria-label="{label}">'
        f"<title>{label}</title>"
        f'<rect width="{first}" height="20" fill="#3b4148"/>'
        f'<rect x="{first}" width="{second}" height="20" fill="{tone}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{first / 2}" y="14">{escape(left)}</text>'
        f'<text x="{first + second / 2}" y="14">{escape(right)}</text></g></svg>\n'
    )
