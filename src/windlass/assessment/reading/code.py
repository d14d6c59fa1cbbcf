"""What a piece of Python says, as plain records: who calls what, under which condition, and what is asserted."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, frozen=True)
class Call:
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
    last: str = field(init=False)
    """The name after the last dot."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "last", self.name.rpartition(".")[2].lstrip(":"))

    def kwarg(self, name: str) -> str | None:
        """The constant or name given for `name`."""
        return dict(self.kwargs).get(name)

    def has(self, name: str) -> bool:
        """Whether `name` is given at all."""
        return any(key == name for key, _ in self.kwargs)


@dataclass(slots=True, frozen=True)
class Check:
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


@dataclass(slots=True, frozen=True)
class Assigned:
    """A name that is given a value."""

    name: str
    line: int
    constant: bool
    words: frozenset[str]
    orders: bool = False


@dataclass(slots=True)
class Function:
    """A function, a method, or the top level of a file (`""`)."""

    name: str
    line: int = 1
    decorators: tuple[Call, ...] = ()
    calls: list[Call] = field(default_factory=list)
    asserts: list[Check] = field(default_factory=list)
    branches: list[Check] = field(default_factory=list)
    assigned: list[Assigned] = field(default_factory=list)
    raises: list[int] = field(default_factory=list)
    parameters: tuple[str, ...] = ()
    stub: bool = False
    """Nothing but a constant, a message or `pass`."""
    loops: int = 0
    """Line of a loop without end, or 0."""
    words: set[str] = field(default_factory=set)
    """Names and keys that it uses."""


@dataclass(slots=True)
class Class:
    """A class with its bases, dotted as calls are."""

    name: str
    line: int
    bases: tuple[str, ...]
    methods: dict[str, str] = field(default_factory=dict)
    """Name to the qualified name of its function."""
    decorators: tuple[Call, ...] = ()


@dataclass(slots=True)
class Module:
    """One file of Python, or one notebook."""

    path: str
    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, Class] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    """Name here to the dotted name that it stands for."""
    import_lines: dict[str, int] = field(default_factory=dict)
    """Dotted name to the line of its import."""

    @property
    def is_notebook(self) -> bool:
        return self.path.endswith(".ipynb")
