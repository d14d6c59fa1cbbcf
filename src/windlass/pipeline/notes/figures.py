"""Pictures that a run keeps, whoever drew them."""

from __future__ import annotations

import io
import re
from hashlib import sha256
from typing import Any

from windlass.errors import UsageError

_PNG = b"\x89PNG\r\n\x1a\n"


def encode_figure(name: str, figure: Any) -> tuple[bytes, str]:
    """The picture as bytes, and its suffix: `png` or `svg`. Raises UsageError for what is no picture."""
    if isinstance(figure, bytes | bytearray | memoryview):
        content = bytes(figure)
    elif isinstance(figure, str):
        content = figure.encode()
    elif callable(getattr(figure, "savefig", None)):
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        content = buffer.getvalue()
    else:
        content = b""
    if content.startswith(_PNG):
        return content, "png"
    if re.match(rb"\s*(<\?xml[^>]*\?>\s*)?(<!--.*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg[\s>]", content, re.DOTALL):
        return content, "svg"
    raise UsageError(
        f"this is no picture that can be kept: {type(figure).__name__}",
        where=f"figure {name!r}",
        remedy="pass a matplotlib figure, the bytes of a PNG or an SVG, or the text of an SVG",
    )


def file_name(name: str) -> str:
    """A file's name for a figure's: readable, of safe characters, different for different names."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:60]
    return safe if safe == name else f"{safe or 'figure'}-{sha256(name.encode(errors='replace')).hexdigest()[:8]}"
