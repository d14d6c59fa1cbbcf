"""What was compressed on its way comes out as it was, or not at all."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windlass.product.contract.rows import MalformedBody
from windlass.serving.limits import MOST_BYTES
from windlass.serving.refusal import TooLarge, WrongMedia
from windlass.serving.transport.encoding import decompressed, encoding_of

WAYS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}
each_way = pytest.mark.parametrize(("encoding", "compress"), WAYS.items(), ids=list(WAYS))


def plain(content: bytes, encoding: str) -> bytes:
    return asyncio.run(decompressed(content, encoding))


@pytest.mark.parametrize(
    ("given", "found"),
    [(None, None), ("", None), ("Identity", None), ("gzip", "gzip"), (" GZIP ", "gzip"), ("deflate", "deflate")],
)
def test_how_a_body_is_compressed_stands_in_its_head(given: str | None, found: str | None) -> None:
    assert encoding_of({} if given is None else {"content-encoding": given}) == found


@pytest.mark.parametrize("given", ["br", "zstd", "gzip, gzip", "aws-chunked"])
def test_what_is_not_read_is_told_with_what_is(given: str) -> None:
    with pytest.raises(WrongMedia, match="is not read here") as refused:
        encoding_of({"content-encoding": given})
    assert refused.value.remedy == "send gzip, deflate, or the body as it is"


@each_way
@given(content=st.binary(max_size=500), place=st.integers(0, 2000), more=st.binary(max_size=3))
def test_all_of_it_or_nothing(
    encoding: str, compress: Callable[[bytes], bytes], content: bytes, place: int, more: bytes
) -> None:
    sent = compress(content)
    assert plain(sent, encoding) == content
    with pytest.raises(MalformedBody):
        plain(sent[: place % len(sent)], encoding)
    if more:
        with pytest.raises(MalformedBody):
            plain(sent + more, encoding)


@each_way
def test_what_would_swell_beyond_the_limit_takes_no_more_than_the_limit(
    encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    assert len(plain(compress(bytes(MOST_BYTES)), encoding)) == MOST_BYTES
    bomb = compress(bytes(20 * MOST_BYTES))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="once it is decompressed"):
            plain(bomb, encoding)
        assert tracemalloc.get_traced_memory()[1] < 3 * MOST_BYTES
    finally:
        tracemalloc.stop()
