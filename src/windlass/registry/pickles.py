"""What a pickle would import, found out without importing anything.

The file is run through Python's own unpickler with a dummy in the place of every class and function: nothing real can
be called, and every name that would be looked up is noted. joblib writes arrays as raw bytes between the pickle's
instructions; those are passed over.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import pickle
import re
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar

from windlass.errors import UntrustedModel

_COMPRESSED: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
    b"\x5d\x00": lzma.decompress,
    b"\x78": zlib.decompress,
}
_ARRAY = "joblib.numpy_pickle.NumpyArrayWrapper"
_ITEM_SIZE = re.compile(r"[|<>=]?[a-zA-Z](\d*)")


def decompressed(data: bytes) -> bytes:
    """The pickle inside a compressed joblib file; anything else as it is."""
    for magic, decompress in _COMPRESSED.items():
        if data.startswith(magic):
            try:
                return decompress(data)
            except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error):
                return data
    return data


def imports_of(data: bytes) -> tuple[str, ...]:
    """Every `module.name` that loading the pickle would import, sorted.

    Raises UntrustedModel when the content is no pickle that could be followed to its end.
    """
    reader = _DryRun(io.BytesIO(decompressed(data)))
    try:
        reader.load()
    except Exception as error:
        seen = f"; it imports at least {', '.join(sorted(reader.names))}" if reader.names else ""
        raise UntrustedModel(
            f"what this pickle would do cannot be told ({type(error).__name__}: {error}){seen}",
            remedy="do not load it; ask whoever made it for a skops or ONNX file",
        ) from error
    return tuple(sorted(reader.names))


class _Dummy:
    """Stands for any class, function or instance: it can be called, filled and set, and does nothing."""

    def __init__(self, name: str = "", arguments: tuple[Any, ...] = ()) -> None:
        self.name = name
        self.arguments = arguments
        self.state: dict[str, Any] = {}

    def __call__(self, *arguments: Any, **_: Any) -> _Dummy:
        return _Dummy(self.name, arguments)

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.state.update(state)

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None: ...

    def extend(self, values: Any) -> None: ...

    def add(self, value: Any) -> None: ...

    def __hash__(self) -> int:
        return id(self)


class _DryRun(pickle._Unpickler):
    """Python's unpickler, unable to reach anything."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]
    append: Callable[[Any], None]

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._file = file
        self.names: set[str] = set()

    def find_class(self, module: str, name: str) -> _Dummy:
        self.names.add(f"{module}.{name}")
        return _Dummy(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> _Dummy:  # noqa: ARG002 (the unpickler's signature)
        return _Dummy()

    def get_extension(self, code: int) -> None:
        self.names.add(f"copyreg extension {code}")
        self.append(_Dummy())

    def _new(self) -> None:
        """`cls.__new__(cls, *args)`, which must not reach a real `__new__`."""
        arguments = self.stack.pop()
        made = self.stack.pop()
        self.append(_Dummy(getattr(made, "name", ""), tuple(arguments)))

    def _new_with_names(self) -> None:
        self.stack.pop()
        self._new()

    def _build(self) -> None:
        state = self.stack.pop()
        built = self.stack[-1]
        if isinstance(built, _Dummy):
            built.__setstate__(state)
            if built.name == _ARRAY:
                self._skip_array(built.state)

    def _skip_array(self, state: dict[str, Any]) -> None:
        """Pass over the bytes of an array that joblib wrote behind its description."""
        dtype = state["dtype"]
        code = str(dtype.arguments[0])
        if "O" in code:
            inner = _DryRun(self._file)  # joblib pickles the objects of such an array behind it
            inner.load()
            self.names |= inner.names
            return
        match = _ITEM_SIZE.fullmatch(code)
        if match is None:
            raise pickle.UnpicklingError(f"an array of type {code}")
        size = int(match[1] or 1) * (4 if "U" in code else 1)
        if state.get("numpy_array_alignment_bytes") is not None:
            self._file.seek(self._file.read(1)[0], io.SEEK_CUR)
        self._file.seek(math.prod(state["shape"]) * size, io.SEEK_CUR)

    dispatch[pickle.NEWOBJ[0]] = _new
    dispatch[pickle.NEWOBJ_EX[0]] = _new_with_names
    dispatch[pickle.BUILD[0]] = _build
