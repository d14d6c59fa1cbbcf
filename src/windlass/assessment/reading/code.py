"""What a piece of Python says, as plain records: who calls what, under which condition, and what is asserted."""

from __future__ import annotations

import msgspec

# Tens of thousands of these are kept: they are slim, and none can be part of a cycle for a collector to find.


class Call(msgspec.Struct, frozen=True, gc=False):
    """One call as written."""

    name: str
    """Dotted, with imports followed: `mlflow.log_metric`. What is defined in the same file begins with a colon
    (`:train`, `:Trainer.fit`), what belongs to an unknown object with a question mark (`?.fit`)."""
    line: int
    args: tuple[str | None, ...] = ()
    """Constants, and dotted names of what is handed over; None for anything else."""
    kwargs: tuple[tuple[str, str | None], ...] = ()
    guards: frozenset[str] = frozenset()
    """The words of all conditions that it stands under."""
    on: str = ""
    """The word before the last dot, as written: `model` of `model.fit(x)`."""
    last: str = ""
    """The name after the last dot."""

    def kwarg(self, name: str) -> str | None:
        """The constant or name given for `name`."""
        for key, value in reversed(self.kwargs):
            if key == name:
                return value
        return None

    def has(self, name: str) -> bool:
        """Whether `name` is given at all."""
        for key, _ in self.kwargs:  # noqa: SIM110 (asked of every call: without a generator it takes a third)
            if key == name:
                return True
        return False


class Check(msgspec.Struct, frozen=True, gc=False):
    """An assertion or a condition."""

    line: int
    words: frozenset[str]
    """Every name, attribute and short text in it, lower case."""
    orders: bool = False
    """Whether something is compared by size."""
    numbers: tuple[float, ...] = ()
    """The numbers that are written in it."""
    stops: bool = False
    """Whether what it guards raises, leaves the process, or returns."""
    flags: tuple[str, ...] = ()
    """Plain names that it tests."""


class Assigned(msgspec.Struct, frozen=True, gc=False):
    """A name that is given a value."""

    name: str
    line: int
    constant: bool
    words: frozenset[str]
    orders: bool = False


class Function(msgspec.Struct, gc=False):
    """A function, a method, or the top level of a file (`""`)."""

    name: str
    line: int = 1
    decorators: tuple[Call, ...] = ()
    calls: list[Call] = []
    asserts: list[Check] = []
    branches: list[Check] = []
    assigned: list[Assigned] = []
    raises: list[int] = []
    parameters: tuple[str, ...] = ()
    stub: bool = False
    """Nothing but a constant, a message or `pass`."""
    loops: int = 0
    """Line of a loop without end, or 0."""
    words: set[str] = msgspec.field(default_factory=set)
    """Names and keys that it uses."""


class Class(msgspec.Struct, gc=False):
    """A class with its bases, dotted as calls are."""

    name: str
    line: int
    bases: tuple[str, ...]
    methods: dict[str, str] = {}
    """Name to the qualified name of its function."""
    decorators: tuple[Call, ...] = ()


class Module(msgspec.Struct, gc=False):
    """One file of Python, or one notebook."""

    path: str
    functions: dict[str, Function] = {}
    classes: dict[str, Class] = {}
    imports: dict[str, str] = {}
    """Name here to the dotted name that it stands for."""
    import_lines: dict[str, int] = {}
    """Dotted name to the line of its import."""
    packages: frozenset[str] = frozenset()
    """The top-level names of all that it imports."""

    @property
    def is_notebook(self) -> bool:
        return self.path.endswith(".ipynb")
