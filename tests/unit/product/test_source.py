"""The own modules of a product, and the digest of what a member reaches."""

from __future__ import annotations

import pickle
import textwrap
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from windlass.errors import ProductError
from windlass.product.code.source import Source, read_source, source_from_folder


class Write(Protocol):
    def __call__(self, **modules: str) -> Path: ...


FLIGHTS = """
    import windlass as wl
    import helpers
    from cleaning import tidy

    LIMIT = 15
    CARRIERS = ["AA", "UA"]

    class Base(wl.Product):
        def shared(self, rows):
            return helpers.scale(rows)

    class Flights(Base):
        task = wl.Regression(target="delay")
        threshold = LIMIT

        def extract(self, since):
            return tidy(since)

        def features(self, rows):
            return self.shared(rows)

        def train(self, examples):
            return self.threshold, CARRIERS
"""
HELPERS = """
    FACTOR = 2

    def scale(rows):
        return rows * FACTOR

    def unused():
        return 1
"""
CLEANING = "def tidy(x):\n    return x\n"


ALL = {"extract", "features", "train"}


def made(entry: str = "flights:Flights", **modules: str) -> Source:
    return Source(entry=entry, files={f"{name}.py": textwrap.dedent(text).encode() for name, text in modules.items()})


def flights(**changed: str) -> Source:
    return made(**({"flights": FLIGHTS, "helpers": HELPERS, "cleaning": CLEANING} | changed))


def digests(source: Source) -> dict[str, str]:
    return {name: source.code_digest(name) for name in ("extract", "features", "train")}


def changed(**modules: str) -> set[str]:
    """The members whose digest differs from the unchanged project's."""
    before, after = digests(flights()), digests(flights(**modules))
    return {name for name in before if before[name] != after[name]}


# -- which files ---------------------------------------------------------------------------------------------------


def test_the_source_is_what_the_entry_imports_and_nothing_else(project: Write) -> None:
    folder = project(
        flights="import polars, helpers\ndef f():\n    from pkg.deep import thing\n",
        helpers="import importlib\nimportlib.import_module('late')\n",
        late="",
        stranger="",
        **{
            "pkg/__init__": "from . import beside",
            "pkg/beside": "",
            "pkg/deep": "from .other import x",
            "pkg/other": "x=1",
        },
        **{".venv/lib/helpers": "", "venv/lib/site-packages/flights": ""},
    )
    source = read_source("flights:Flights", folder)
    assert sorted(source.files) == [
        "flights.py",
        "helpers.py",
        "late.py",
        "pkg/__init__.py",
        "pkg/beside.py",
        "pkg/deep.py",
        "pkg/other.py",
    ]


def test_an_entry_in_a_package_brings_the_packages_it_lies_in(project: Write) -> None:
    folder = project(**{"a/__init__": "", "a/b/__init__": "from ..up import x", "a/up": "x = 1", "a/b/flights": ""})
    assert sorted(read_source("a.b.flights:F", folder).files) == [
        "a/__init__.py",
        "a/b/__init__.py",
        "a/b/flights.py",
        "a/up.py",
    ]


def test_a_plain_folder_is_a_package_unless_an_installed_one_has_its_name(project: Write) -> None:
    folder = project(flights="import parts.one, polars.data\n", **{"parts/one": "", "polars/data": ""})
    assert sorted(read_source("flights:F", folder).files) == ["flights.py", "parts/one.py"]


def test_two_modules_may_import_each_other(project: Write) -> None:
    folder = project(flights="import helpers", helpers="import flights")
    assert sorted(read_source("flights:F", folder).files) == ["flights.py", "helpers.py"]


def test_the_digest_follows_every_byte_and_path() -> None:
    one = flights()
    assert one.digest == flights().digest
    assert one.digest != flights(helpers=HELPERS + "\n").digest
    assert one.digest != made(flights=FLIGHTS, helpers=HELPERS, cleaning2=CLEANING).digest


def test_a_source_comes_back_from_a_folder_and_from_a_pickle(tmp_path: Path) -> None:
    source = made("a.b:F", **{"a/__init__": "", "a/b": "x = 1"})
    source.write(tmp_path)
    assert source_from_folder(tmp_path, "a.b:F").digest == source.digest
    assert pickle.loads(pickle.dumps(source)).files == source.files


@pytest.mark.parametrize(
    "entry", ["flights", "flights:", ":Flights", "flights.py:Flights", "a b:C", "flights:Fl.ights"]
)
def test_an_entry_is_a_module_and_a_class(entry: str, project: Write) -> None:
    with pytest.raises(ProductError, match=r"does not name a product class[\s\S]*module:Class"):
        read_source(entry, project(flights=""))


def test_a_missing_module_is_named_with_its_neighbours(project: Write) -> None:
    with pytest.raises(ProductError, match=r"no module 'flihts'[\s\S]*remedy: .*flights"):
        read_source("flihts:F", project(flights="", other=""))


@pytest.mark.parametrize("text", ["x = (\n", "a\0b", "# coding: nonsense\n"])
def test_invalid_python_is_named_with_its_file(text: str, project: Write) -> None:
    with pytest.raises(ProductError, match=r"not valid Python[\s\S]*helpers\.py"):
        read_source("flights:F", project(flights="import helpers", helpers=text))


# -- what a member reaches -----------------------------------------------------------------------------------------


def test_mending_train_leaves_extract_and_features_alone() -> None:
    assert changed(flights=FLIGHTS.replace("return self.threshold, CARRIERS", "return None")) == {"train"}


@pytest.mark.parametrize(
    ("module", "old", "new", "reached"),
    [
        ("helpers", "FACTOR = 2", "FACTOR = 3", {"features"}),
        ("helpers", "rows * FACTOR", "rows + FACTOR", {"features"}),
        ("helpers", "return 1", "return 2", set()),
        ("cleaning", "return x", "return [x]", {"extract"}),
        ("flights", "LIMIT = 15", "LIMIT = 16", {"train"}),
        ("flights", '"UA"]', '"DL"]', {"train"}),
        ("flights", "helpers.scale(rows)", "helpers.unused()", {"features"}),
        ("flights", 'target="delay"', 'target="late"', set()),
        ("flights", "from cleaning import tidy", "from cleaning import tidy\n    print(1)", ALL),
        ("helpers", "FACTOR = 2", "FACTOR = 2\n    print(FACTOR)", ALL),
    ],
)  # fmt: skip
def test_a_change_counts_for_the_members_that_reach_it(module: str, old: str, new: str, reached: set[str]) -> None:
    text = {"flights": FLIGHTS, "helpers": HELPERS, "cleaning": CLEANING}[module]
    assert old in text
    assert changed(**{module: text.replace(old, new)}) == reached


def test_comments_formatting_and_docstrings_do_not_count() -> None:
    dressed = FLIGHTS.replace(
        "return tidy(since)", '"""Rows."""\n            # why\n            return (tidy(\n        since ))'
    )
    dressed = dressed.replace("LIMIT = 15", 'LIMIT = 0xF\n    """Minutes."""').replace('["AA"', "[ 'A' 'A'")
    assert changed(flights=dressed, cleaning='"""Doc."""\n' + CLEANING) == set()
    assert flights().digest != flights(flights=dressed).digest


PRODUCT = """
    import windlass as wl
    {top}
    class Flights(wl.Product):
        {member}
        def extract(self, since):
            return 0
        def train(self, examples):
            {train}
"""


def with_code(*, top: str = "", member: str = "", train: str = "return 1", **modules: str) -> Source:
    text = PRODUCT.format(
        top=textwrap.indent(textwrap.dedent(top), "    ").strip(),
        member=textwrap.indent(textwrap.dedent(member), "        ").strip(),
        train=textwrap.indent(textwrap.dedent(train), "            ").strip(),
    )
    return made(**({"flights": text} | modules))


# Each: code in which VALUE is reached by `train`, and not by `extract`.
REACHED = {
    "getattr with a constant": {"member": "value = VALUE", "train": "return getattr(self, 'value')"},
    "type(self)": {"member": "value = VALUE", "train": "return type(self).value"},
    "self.__class__": {"member": "value = VALUE", "train": "return self.__class__.value"},
    "class by name": {"member": "value = VALUE", "train": "return Flights.value"},
    "another class attribute": {"member": "a = VALUE\nb = [a]", "train": "return self.b"},
    "property": {"member": "@property\ndef value(self): return VALUE", "train": "return self.value"},
    "static method": {"member": "@staticmethod\ndef value(): return VALUE", "train": "return self.value()"},
    "class method": {"member": "@classmethod\ndef value(cls): return cls.a\na = VALUE", "train": "return self.value()"},
    "lambda member": {"member": "a = VALUE\nvalue = lambda me: me.a", "train": "return self.value()"},
    "private name": {"member": "__value = VALUE", "train": "return self._Flights__value"},
    "state set by a method": {"member": "def load(self): self.value = VALUE", "train": "return self.value"},
    "self handed on": {"member": "value = VALUE", "top": "def f(p): return p.value", "train": "return f(self)"},
    "getattr on self": {"member": "value = VALUE", "train": "return getattr(self, 'val' + 'ue')"},
    "class in the module": {"top": "class A:\n    b = VALUE", "train": "return A().b"},
    "own base class": {"top": "class A:\n    b = VALUE\nclass B(A): pass", "train": "return B().b"},
    "default argument": {"top": "def f(x=VALUE): return x", "train": "return f()"},
    "global statement": {"top": "A = 0\ndef f():\n    global A\n    A = VALUE", "train": "return A"},
    "augmented": {"top": "A = [0]\nA += [VALUE]", "train": "return A"},
    "unpacking": {"top": "A, (B, *C) = 1, VALUE", "train": "return C"},
    "walrus in a comprehension": {"top": "A = [b for b in VALUE]", "train": "return [A for A in A]"},
    "lazy import": {"train": "import other\nreturn other.x", "other": "x = VALUE"},
    "lazy import of a part": {"train": "import p.q\nreturn p.x", "p/__init__": "x = VALUE", "p/q": ""},
    "lazy from": {"train": "from other import x\nreturn x", "other": "x = VALUE"},
    "module": {"top": "import other as o", "train": "return o.x", "other": "x = VALUE"},
    "module handed on": {"top": "import other", "train": "return vars and len(dir(other))", "other": "x = VALUE"},
    "renamed": {"top": "from other import x as y", "train": "return y", "other": "x = VALUE"},
    "passed on": {"top": "from a import x", "train": "return x", "a": "from b import y as x", "b": "y = VALUE"},
    "package": {"top": "import p.q", "train": "return p.q.x", "p/__init__": "", "p/q": "x = VALUE"},
    "plain folder": {"top": "import p.q", "train": "return p.q.x", "p/q": "x = VALUE"},
    "from package": {"top": "from p import q", "train": "return q.x", "p/__init__": "", "p/q": "x = VALUE"},
    "relative": {
        "top": "from p.q import x", "train": "return x",
        "p/__init__": "", "p/q": "from .r import x", "p/r": "x = VALUE",
    },
    "module in a package handed on": {
        "top": "import p", "train": "return [p]", "p/__init__": "from p import q", "p/q": "x = VALUE",
    },
    "quoted annotation": {"top": "class A:\n    x: int = VALUE", "train": "y: 'list[A]' = []\nreturn y"},
    "type checking": {
        "top": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from other import x",
        "train": "y: x = 1\nreturn y", "other": "x = VALUE",
    },
    "cached": {"top": "import functools\n@functools.cache\ndef f(): return VALUE", "train": "return f()"},
    "default of Product": {"member": "estimator = VALUE", "train": "return super().train(examples)"},
    "nested function": {"top": "def f(): return VALUE", "train": "def g(): return f()\nreturn [g for _ in 'a']"},
    "match": {"top": "A = VALUE", "train": "match examples:\n    case A.x: return 1"},
}  # fmt: skip

# Each: code in which VALUE counts for every member.
COUNTS_FOR_ALL = {
    "statement": {"top": "A = []\nA.append(VALUE)"},
    "block": {"top": "if True:\n    A = VALUE"},
    "try": {"top": "try:\n    A = VALUE\nexcept ImportError: pass"},
    "item": {"top": "A = {}\nA['x'] = VALUE"},
    "attribute of the class": {"top": "class A: pass\nA.x = VALUE"},
    "patched after": {"top": "import math\nmath.tau = VALUE"},
    "statement of a module": {"top": "import other", "other": "print(VALUE)"},
    "statement behind a module": {"top": "import other", "other": "import third", "third": "print(VALUE)"},
    "package on the way": {"top": "import p.q", "p/__init__": "print(VALUE)", "p/q": ""},
    "own registry": {"top": "R = []\ndef add(f): R.append(f)\n@add\ndef f(): return VALUE"},
    "own registry elsewhere": {
        "top": "from other import add\n@add\ndef f(): return VALUE",
        "other": "def add(f): pass",
    },
    "installed registry": {"top": "import polars as pl\n@pl.api.register_expr_namespace('x')\nclass X:\n    a = VALUE"},
    "registering call": {"top": "R = []\ndef add(f): R.append(f)\na = add(VALUE)"},
    "registering base": {"top": "class A:\n    def __init_subclass__(cls): print(cls)\nclass B(A):\n    x = VALUE"},
    "registering base of a base": {
        "top": "from other import A\nclass B(A): pass\nclass C(B):\n    x = VALUE",
        "other": "class A:\n    def __init_subclass__(cls): print(cls)",
    },
    "metaclass": {"top": "class M(type): pass\nclass B(metaclass=M):\n    x = VALUE"},
    "class body that acts": {"top": "class B:\n    print(VALUE)"},
    "throwaway": {"top": "_ = print(VALUE)"},
    "constructor": {"member": "def __init__(self): self.x = VALUE"},
    "attribute lookup": {"member": "def __getattr__(self, name): return VALUE"},
    "class body": {"member": "print(VALUE)"},
    "class body block": {"member": "for i in range(3): x = VALUE"},
    "exec in a statement": {"top": "A = VALUE\nexec('print(A)')"},
}

# Each: code that `train` runs and that cannot be followed; VALUE stands where no name leads.
UNTRACEABLE = {
    "exec": {"train": "exec('import math')"},
    "eval": {"train": "return eval('VA' + 'LUE')"},
    "globals": {"train": "return globals()['f']()"},
    "vars": {"top": "import other", "train": "return vars(other)", "other": ""},
    "getattr": {"train": "return getattr(examples, str(examples))"},
    "import by name": {"train": "import importlib\nreturn importlib.import_module('oth' + 'er')"},
    "import by builtin": {"train": "return __import__('other')"},
    "sys.modules": {"train": "import sys\nreturn sys.modules['other']"},
    "star": {"top": "from other import *", "train": "return x", "other": "x = 1"},
    "star further on": {"top": "import other", "other": "from third import *", "third": "x = 1"},
    "subclasses": {"train": "return object.__subclasses__()"},
    "__dict__": {"train": "return Flights.__dict__"},
    "made-up name": {"top": "import other", "train": "return other.x", "other": "def __getattr__(name): return 1"},
    "plain folder as a value": {"top": "import p.q", "train": "return [p]", "p/q": ""},
}


def both(case: dict[str, str]) -> tuple[Source, Source]:
    return tuple(with_code(**{k: v.replace("VALUE", value) for k, v in case.items()}) for value in ("1", "2"))  # type: ignore[return-value]


@pytest.mark.parametrize("case", REACHED)
def test_what_train_reaches_counts_for_train_alone(case: str) -> None:
    one, two = both(REACHED[case])
    assert one.code_digest("train") != two.code_digest("train")
    if case != "getattr on self":
        assert one.code_digest("extract") == two.code_digest("extract")
    assert one.code_digest("train") == both(REACHED[case])[0].code_digest("train")


@pytest.mark.parametrize("case", COUNTS_FOR_ALL)
def test_what_importing_or_constructing_runs_counts_for_all(case: str) -> None:
    one, two = both(COUNTS_FOR_ALL[case])
    assert one.code_digest("extract") != two.code_digest("extract")


@pytest.mark.parametrize("case", UNTRACEABLE)
def test_code_that_cannot_be_followed_counts_whole(case: str) -> None:
    source = with_code(**UNTRACEABLE[case])
    assert source.code_digest("train") == source.digest
    if "star" not in case:
        assert source.code_digest("extract") != source.digest


def test_a_main_block_never_counts() -> None:
    one, two = both({"top": "if __name__ == '__main__':\n    print(VALUE)"})
    assert one.code_digest("extract", "train") == two.code_digest("extract", "train")
    assert one.digest != two.digest


def test_defaults_of_product_lead_to_what_they_use() -> None:
    text = "import windlass as wl\nclass F(wl.Product):\n    estimator = 1\n    task = 2\n    gate = 3\n"
    one = made("f:F", f=text)
    for old, new, train, features in (
        ("r = 1", "r = 9", True, False),
        ("k = 2", "k = 9", True, True),
        ("e = 3", "e = 9", False, False),
    ):
        two = made("f:F", f=text.replace(old, new))
        assert (one.code_digest("train") != two.code_digest("train")) == train
        assert (one.code_digest("features") != two.code_digest("features")) == features


def test_another_product_in_the_file_does_not_count() -> None:
    text = "import windlass as wl\nclass A(wl.Product):\n    x = 1\n"
    text += "class B(wl.Product):\n    x = 2\n    def train(self, e): return self.x\n"
    one, two = made("f:B", f=text), made("f:B", f=text.replace("x = 1", "x = 7"))
    assert one.code_digest("train") == two.code_digest("train")
    assert made("f:A", f=text).code_digest("x") != one.code_digest("x")


def test_a_computed_class_counts_whole() -> None:
    for text in ("F = make()", "class F(make()): pass", "if x:\n    class F: pass", "x = 1"):
        source = made("f:F", f=text)
        assert source.code_digest("train") == source.digest


@settings(max_examples=60)
@given(st.data())
def test_a_digest_changes_exactly_when_a_reached_function_does(data: st.DataObject) -> None:
    """Random call graphs over two modules: the digest agrees with plain graph search."""
    count = data.draw(st.integers(2, 8))
    home = [data.draw(st.sampled_from(["flights", "other"])) for _ in range(count)]
    calls = {
        i: data.draw(st.lists(st.integers(0, count - 1), max_size=3).map(lambda found: sorted(set(found))))
        for i in range(count)
    }
    starts = data.draw(st.lists(st.integers(0, count - 1), max_size=2).map(set))
    touched = data.draw(st.integers(0, count - 1))

    def name(caller: str, i: int) -> str:
        return f"f{i}" if home[i] == caller else f"{'o' if home[i] == 'other' else 'flights'}.f{i}"

    def build(mark: int) -> Source:
        texts = {"flights": "import windlass as wl\nimport other as o\n", "other": "import flights\n"}
        for i in range(count):
            body = ", ".join([f"{name(home[i], j)}()" for j in calls[i]] + [str(mark if i == touched else 0)])
            texts[home[i]] += f"def f{i}():\n    return [{body}]\n"
        body = ", ".join(f"{name('flights', i)}()" for i in sorted(starts))
        texts["flights"] += f"class Flights(wl.Product):\n    def train(self, examples):\n        return [{body}]\n"
        return made(**texts)

    reached: set[int] = set()
    waiting = list(starts)
    while waiting:
        i = waiting.pop()
        if i not in reached:
            reached.add(i)
            waiting += calls[i]
    assert (build(1).code_digest("train") != build(2).code_digest("train")) == (touched in reached)
