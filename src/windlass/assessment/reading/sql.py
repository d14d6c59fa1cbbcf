"""What SQL has a database learn and answer: BigQuery ML, Redshift ML, Snowflake, PostgresML, and models of dbt."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_MADE = re.compile(
    r"\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP(?:ORARY)?\s+)?MODEL\s+(?:IF\s+NOT\s+EXISTS\s+)?\S[^;]*?\b(?:AS|FROM)\b"
    r"|\bCREATE\s+(?:OR\s+REPLACE\s+)?SNOWFLAKE\.ML\.\w+|\bpgml\.train\s*\("
    r"|\bmaterialized\s*[=:]\s*['\"]model['\"]",
    re.IGNORECASE,
)
_OF_OTHERS = re.compile(r"\bREMOTE\s+WITH\s+CONNECTION\b|\bmodel_path\s*=|\bSAGEMAKER\b", re.IGNORECASE)
_ASKED = re.compile(
    r"\bML\.(?:PREDICT|FORECAST|RECOMMEND|DETECT_ANOMALIES)\s*\(|\bdbt_ml\.(?:predict|forecast)\s*\(|\bpgml\.predict\s*\(",
    re.IGNORECASE,
)
_KEPT = re.compile(
    r"\b(?:CREATE\s+(?:OR\s+REPLACE\s+)?TABLE|INSERT\s+(?:INTO|OVERWRITE)|MERGE|EXPORT\s+DATA)\b", re.IGNORECASE
)


def _line(text: str, found: re.Match[str] | None) -> int:
    return text.count("\n", 0, found.start()) + 1 if found else 0


def _bare(text: str) -> str:
    """Without comments, each line where it was."""
    return _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)


def makes_model(text: str) -> int:
    """The line on which a model is fitted, or 0: one that lies elsewhere, or that is taken in as a file, is not."""
    bare = _bare(text)
    return 0 if _OF_OTHERS.search(bare) else _line(bare, _MADE.search(bare))


def names_model(text: str) -> bool:
    """Whether a text is a statement that fits or asks a model."""
    return "MODEL " in text and bool(_MADE.search(text) or _ASKED.search(text))


def keeps_answers(text: str, *, kept: bool = False) -> int:
    """The line on which a model answers for rows, or 0 if what it says is not kept."""
    bare = _bare(text)
    return _line(bare, _ASKED.search(bare)) if kept or _KEPT.search(bare) else 0
