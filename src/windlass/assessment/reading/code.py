"""What a piece of Python says, as plain records: who calls what, under which condition, and what is asserted."""

from __future__ import annotations

import msgspec

# Tens of thousands of these are kept: they are slim, and none can be part of a cycle for a collector to find.


class Call(msgspec.Struct, frozen=True, gc=False):
    """One call as written."""

    name: str
    """Dotted, with imports followed: `mlflow.log_metric`. What is defined in the same file begins with a colon
    (`:train`, `:Trainer.fit`), what belongs to an unknown object with a question mark (`?.fit`), and what is that of
    the class above with `super`."""
    line: int
    args: tuple[str | None, ...] = ()
    """Constants, and dotted names of what is handed over; None for anything else."""
    kwargs: tuple[tuple[str, str | None], ...] = ()
    guards: tuple[int, ...] = ()
    """The lines of all conditions of its function that it stands under, the outermost first."""
    on: str = ""
    """The word before the last dot, as written: `model` of `model.fit(x)`."""
    last: str = ""
    """The name after the last dot."""

    @property
    def values(self) -> tuple[str, ...]:
        """Every constant and name that it is given."""
        if not self.kwargs:
            return tuple([value for value in self.args if value])
        return tuple([value for value in (*self.args, *[value for _, value in self.kwargs]) if value])

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


def last_of(name: str) -> str:
    """What stands after the last dot of a dotted name."""
    return name.rpartition(".")[2].lstrip(":")


class Check(msgspec.Struct, frozen=True, gc=False):
    """An assertion or a condition."""

    line: int
    words: tuple[str, ...]
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
    words: tuple[str, ...] = ()
    """As those of a condition, where something is compared by size."""
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
    """Lines at which it raises something of its own: not what it caught."""
    unheeded: tuple[tuple[int, int], ...] = ()
    """First and last lines of what stands in a `try` that catches everything and only tells of it: of its body from the
    last line on that does anything."""
    parameters: tuple[str, ...] = ()
    stub: bool = False
    """Nothing but a constant, a message or `pass`."""
    loops: int = 0
    """Line of a loop without end, or 0."""
    words: str = ""
    """Names, keys and short texts that it uses, each once, with line ends between them."""
    gives: str = ""
    """Dotted name of the module or class that every return of something known gives; `?` where they differ."""

    def loses(self, line: int) -> bool:
        """Whether an error at a line of it changes nothing of what happens afterwards."""
        return any(first <= line <= last for first, last in self.unheeded)


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
    instead: dict[str, tuple[str, ...]] = {}
    """The dotted name of an import to those that other branches of an `if` give the same name."""
    packages: frozenset[str] = frozenset()
    """The top-level names of all that it imports."""
    is_placed: bool = False
    """Whether it imports relative to where it lies: seen from another folder its names would be others."""
    left_out: str = ""
    """What of it was not read; empty: nothing."""

    @property
    def is_notebook(self) -> bool:
        return self.path.endswith(".ipynb")
