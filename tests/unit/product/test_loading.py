# ruff: noqa: E501 (lines of code in strings)
"""Loading product classes under private names, and finding them without loading."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import pytest

from windlass.errors import ProductError
from windlass.product.code.loading import discover, load_product, load_source
from windlass.product.code.namespace import private_name
from windlass.product.code.source import read_source
from windlass.product.product import Product


class Write(Protocol):
    def __call__(self, **modules: str) -> Path: ...


MINIMAL = """
    import windlass as wl

    class Flights(wl.Product):
        task = wl.Regression(target="delay")
        answer = 1
"""
IMPORTS = """
    import helpers
    import pkg.deep
    import pkg.deep as deep
    from helpers import number, table as renamed
    from pkg import beside
    from . import helpers as relative
    import windlass as wl

    class Flights(wl.Product):
        task = wl.Regression(target="delay")

        def all(self):
            from late import late
            import json, helpers as again
            return [helpers.number, pkg.deep.up, deep.up, number, renamed, beside.here, relative.number, late, json.dumps(again.number)]
"""
MODULES = {
    "helpers": "number = 1\ntable = 2",
    "late": "late = 6",
    "pkg/__init__": "",
    "pkg/deep": "from .beside import here\nfrom ..helpers import table as up\n",
    "pkg/beside": "here = 5",
}


def test_every_way_to_import_an_own_module_leads_to_the_private_one(project: Write) -> None:
    before = set(sys.modules)
    loaded = load_product("flights:Flights", project(flights=IMPORTS, **MODULES))
    assert loaded().all() == [1, 2, 2, 1, 2, 5, 1, 6, "1"]
    assert issubclass(loaded, Product)
    new = {name for name in set(sys.modules) - before if not name.startswith(("_windlass_product_", "windlass"))}
    assert not new & {"flights", "helpers", "late", "pkg", "pkg.deep", "pkg.beside"}


def test_loading_again_gives_the_same_class_and_changed_code_another(project: Write) -> None:
    folder = project(flights=MINIMAL)
    one = load_product("flights:Flights", folder)
    assert load_product("flights:Flights", folder) is one
    two = load_product("flights:Flights", project(flights=MINIMAL.replace("answer = 1", "answer = 2")))
    assert (one.answer, two.answer) == (1, 2)
    assert one.__module__ != two.__module__


def test_only_a_helper_differs_and_both_versions_stand_side_by_side(project: Write) -> None:
    text = "import windlass as wl\nimport helpers\nclass F(wl.Product):\n    def f(self):\n        import helpers as h\n        return h.x, helpers.x\n"
    one = load_product("flights:F", project(flights=text, helpers="x = 1"))
    two = load_product("flights:F", project(flights=text, helpers="x = 2"))
    assert (one().f(), two().f(), one().f()) == ((1, 1), (2, 2), (1, 1))


def test_the_private_name_depends_on_the_source_alone(project: Write, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = project(flights=MINIMAL)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copy(folder / "flights.py", elsewhere)
    loaded = load_product("flights:Flights", folder)
    assert load_source(elsewhere, "flights:Flights") is loaded
    assert loaded.__module__ == f"{private_name(read_source('flights:Flights', folder).digest)}.flights"


WITH_CLASSES = """
    import windlass as wl

    class Middle:
        def __init__(self, shift):
            self.shift = shift

    class Flights(wl.Product):
        task = wl.Regression(target="delay")
        made = Middle(3.5)
"""
READ = """
import pickle, sys
from pathlib import Path
from windlass.product.code.loading import load_product
folder = Path(sys.argv[1])
loaded = load_product("flights:Flights", folder)
again = pickle.loads((folder / "m.pkl").read_bytes())
print(again.shift, type(again) is type(loaded.made))
"""


def test_objects_of_own_classes_are_read_by_another_process_that_loaded_the_same_source(project: Write) -> None:
    folder = project(flights=WITH_CLASSES)
    (folder / "m.pkl").write_bytes(pickle.dumps(load_product("flights:Flights", folder).made))
    done = subprocess.run([sys.executable, "-c", READ, folder], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3.5", "True"]


def test_a_file_changed_after_reading_changes_nothing_that_is_loaded(project: Write) -> None:
    text = (
        "import windlass as wl\nclass F(wl.Product):\n    def f(self):\n        from late import x\n        return x\n"
    )
    folder = project(flights=text, late="x = 1")
    loaded = load_product("flights:F", folder)
    project(late="x = 2")
    assert loaded().f() == 1


def test_a_module_outside_the_source_is_not_found_by_a_private_name(project: Write) -> None:
    text = "import windlass as wl\nimport importlib\nclass F(wl.Product):\n    def f(self):\n        return importlib.import_module('.stranger', __package__)\n"
    loaded = load_product("flights:F", project(flights=text, stranger="x = 1"))
    with pytest.raises(ModuleNotFoundError, match="stranger"):
        loaded().f()


def test_a_project_shadows_an_installed_module_as_in_python(project: Write) -> None:
    text = "import windlass as wl\nimport colorsys\nclass F(wl.Product):\n    x = colorsys.x\n"
    assert load_product("flights:F", project(flights=text, colorsys="x = 'mine'")).x == "mine"
    import colorsys

    assert not hasattr(colorsys, "x")


def test_children_of_the_process_know_the_private_modules(project: Write) -> None:
    """What joblib and multiprocessing send to a child names its functions by the private module."""
    text = "import windlass as wl\nfrom helpers import double\nclass F(wl.Product):\n    work = staticmethod(double)\n"
    folder = project(
        flights=text, helpers="def double(x):\n    from late import factor\n    return factor * x\n", late="factor = 2"
    )
    loaded = load_product("flights:F", folder)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(loaded.work, 21).result() == 42


# -- errors of the user's code --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("helpers", "said", "line"),
    [
        ("\n\n1 / 0", "ZeroDivisionError while importing: division by zero", "helpers.py:3"),
        ("import not_there_at_all", "No module named 'not_there_at_all'[\\s\\S]*install 'not_there_at_all'", "helpers.py:1"),
        ("\nimport sys; sys.exit(2)", "SystemExit[\\s\\S]*__main__", "helpers.py:2"),
        ("import flights.nothing", "No module named 'flights.nothing'", "helpers.py:1"),
        ("\nfrom windlass import Outcome\nOutcome(within='soon')", "'soon' is not a duration", "helpers.py:3, Outcome.within"),
        ("x: int = (", "not valid Python", "helpers.py:1"),
        ("return 1", "'return' outside function", "helpers.py:1"),
        ("import json\njson.loads('{')", "JSONDecodeError", "helpers.py:2"),
    ],
)  # fmt: skip
def test_an_error_while_importing_names_file_line_and_remedy(
    helpers: str, said: str, line: str, project: Write
) -> None:
    folder = project(flights="import helpers\n" + "import windlass as wl\nclass F(wl.Product): pass", helpers=helpers)
    with pytest.raises(ProductError, match=said) as caught:
        load_product("flights:F", folder)
    assert line in caught.value.where
    assert caught.value.remedy
    assert "_windlass_product_" not in str(caught.value)


def test_a_failed_import_leaves_nothing_and_may_be_repeated(project: Write) -> None:
    folder = project(
        flights="import helpers, os\nif 'FLIGHTS_BROKEN' in os.environ: 1 / 0\nimport windlass as wl\nclass F(wl.Product): pass",
        helpers="",
    )
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLIGHTS_BROKEN", "1")
        with pytest.raises(ProductError, match="ZeroDivisionError"):
            load_product("flights:F", folder)
        assert set(sys.modules) == before
    assert load_product("flights:F", folder).name == "f"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Flight", r"there is no class 'Flight'[\s\S]*did you mean 'Flights'"),
        ("number", r"'number' is not a product class"),
        ("Other", r"'Other' is not a product class"),
    ],
)
def test_a_class_that_is_no_product_is_refused(name: str, said: str, project: Write) -> None:
    folder = project(flights=MINIMAL + "\n    number = 1\n    class Other: pass\n")
    with pytest.raises(ProductError, match=said):
        load_product(f"flights:{name}", folder)
    with pytest.raises(ProductError, match=r"setting `products` names it as 'flights:"):
        discover(folder, [f"flights:{name}"])


# -- finding -------------------------------------------------------------------------------------------------------


def test_products_are_found_without_running_anything(project: Write) -> None:
    folder = project(
        flights=MINIMAL + "\n    1 / 0\n",
        others="from windlass import Product as P\nimport windlass.product.product as w\nclass HTTPModel(P): pass\nclass B(w.Product): name = 'b-2'\n",
        derived="from shared import Base\nclass Derived(Base): pass\n",
        shared="import windlass\nclass Base(windlass.Product): pass\nclass _Hidden(windlass.Product): pass\n",
        test_flights="import windlass as wl\nclass InATest(wl.Product): pass\n",
        broken_script="print('no product here'\n",
        plain="class Product: pass\nclass Mine(Product): pass\n",
        **{"nested/inner": MINIMAL},
    )
    assert discover(folder) == {
        "derived": "derived:Derived",
        "flights": "flights:Flights",
        "http-model": "others:HTTPModel",
        "b-2": "others:B",
    }
    assert discover(folder, ["nested.inner:Flights"]) == {"flights": "nested.inner:Flights"}


def test_a_base_without_a_task_is_no_product_in_its_own_module(project: Write) -> None:
    text = "import windlass as wl\nclass Base(wl.Product): pass\nclass A(Base): pass\nclass B(Base): task = 1\nclass C(B): pass\n"
    assert sorted(discover(project(flights=text))) == ["a", "b", "c"]


def test_found_names_are_those_of_the_loaded_classes(project: Write) -> None:
    folder = project(
        flights="import windlass as wl\nclass XGBoostV2Model(wl.Product): pass\nclass Flights2(wl.Product): name = 'own.name'\n"
    )
    found = discover(folder)
    assert {load_product(entry, folder).name: entry for entry in found.values()} == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1", r"no product class was found[\s\S]*windlass init"),
        ("import windlass as wl\nclass A(wl.Product): name = 'x1'\nclass B(wl.Product): name = 'x1'\n", "two products are called 'x1'"),
        ("import windlass as wl\nN = 'a'\nclass A(wl.Product): name = N\n", "must be plain text"),
        ("import windlass as wl\nclass A(wl.Product): name = 'No Good'\n", "cannot be a product's name"),
        ("import windlass as wl\nclass A(wl.Product:\n", "not valid Python"),
    ],
)  # fmt: skip
def test_what_cannot_be_found_is_said_clearly(text: str, said: str, project: Write) -> None:
    with pytest.raises(ProductError, match=said):
        discover(project(flights=text))


def test_the_same_entry_twice_is_one_product(project: Write) -> None:
    assert discover(project(flights=MINIMAL), ["flights:Flights", "flights:Flights"]) == {"flights": "flights:Flights"}
