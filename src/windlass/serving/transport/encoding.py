"""Bodies that were compressed on their way: gzip and deflate, as RFC 9110 has them."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping

from windlass.product.contract.rows import MalformedBody
from windlass.serving.limits import MOST_BYTES
from windlass.serving.refusal import TooLarge, WrongMedia

CONTENT_ENCODING = "content-encoding"
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Content-Encoding -> what zlib calls it: the largest window there is, behind gzip's header or zlib's own."""
READ = "gzip, deflate"


def encoding_of(headers: Mapping[str, str]) -> str | None:
    """How the body is compressed; None: it is not. Raises WrongMedia for what is not read here."""
    given = headers.get(CONTENT_ENCODING, "").strip().lower()
    if given in ("", "identity"):
        return None
    if given not in _WINDOWS:
        raise WrongMedia(
            f"the content encoding {given!r} is not read here", remedy=f"send {READ}, or the body as it is"
        )
    return given


async def decompressed(content: bytes, encoding: str) -> bytes:
    """The body as it was before. In a thread, since a small one may become a large one.

    Raises TooLarge as soon as it is more than a body may be; MalformedBody where it is not what it says, breaks off, or
    goes on behind its end.
    """
    return await asyncio.to_thread(_decompressed, content, encoding)


def _decompressed(content: bytes, encoding: str) -> bytes:
    reader = zlib.decompressobj(_WINDOWS[encoding])
    try:
        found = reader.decompress(content, MOST_BYTES + 1)
    except zlib.error as error:
        raise MalformedBody(f"the body is not {encoding}: {error}", remedy="compress it anew") from error
    if len(found) > MOST_BYTES:
        raise TooLarge(
            f"the body is larger than {MOST_BYTES} bytes once it is decompressed",
            remedy="send the rows in several requests",
        )
    if not reader.eof:
        raise MalformedBody(f"the {encoding} body breaks off", remedy="send all of it")
    if reader.unused_data:
        raise MalformedBody(f"something follows the end of the {encoding} body", remedy="compress it in one piece")
    return found
