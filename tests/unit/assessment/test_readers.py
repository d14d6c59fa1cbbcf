"""Code that two processes read is what one would have read."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from windlass.assessment import project
from windlass.assessment.assess import assess, open_project
from windlass.assessment.facts import Facts, Place
from windlass.assessment.project import Project
from windlass.assessment.reading import readers
from windlass.assessment.reading.code import Module
from windlass.assessment.reading.readers import Text, read_code
from windlass.assessment.records import State
from windlass.errors import UsageError

from .conftest import FIT, Ask, Write, on_push

NOW = datetime(2026, 11, 26, tzinfo=UTC)

TEXTS: list[Text] = [
    ("a.py", "import mlflow as m\n\ndef go(x):\n    if x > 0.5:\n        m.log_metric('auc', x)\n"),
    ("old.py", "print 'two'\n"),
    ("n.ipynb", '{"cells": [{"cell_type": "code", "source": ["import torch\\n", "torch.load(1)"]}]}'),
    ("b.py", "class Keeper:\n    def add(self):\n        return self.add()\n"),
]


def test_two_readers_give_the_same_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = list(read_code(TEXTS, size=0))
    assert [path for path, _ in alone] == ["a.py", "old.py", "n.ipynb", "b.py"]
    assert "Python 2" in str(alone[1][1])
    monkeypatch.setattr(readers, "_can_fork", lambda: True)
    monkeypatch.setattr(readers, "_BATCH", 1)
    assert list(read_code(TEXTS, size=readers._WORTH)) == alone


def test_the_packages_of_a_module_are_those_of_its_imports() -> None:
    modules = [read for _, read in read_code(TEXTS, size=0) if isinstance(read, Module)]
    assert [module.packages for module in modules] == [frozenset({"mlflow"}), frozenset({"torch"}), frozenset()]


def test_a_reader_that_is_killed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.getpid()

    def killed(path: str, text: str) -> Module:
        assert os.getpid() != here
        os.kill(os.getpid(), signal.SIGKILL)
        return Module(path=path)

    monkeypatch.setattr(readers, "_can_fork", lambda: True)
    monkeypatch.setattr(readers, "read_python", killed)
    with pytest.raises(UsageError, match="ended from outside"):
        list(read_code(TEXTS, size=readers._WORTH))


def test_evidence_of_several_names_comes_by_name(ask: Ask) -> None:
    seeds = {"a.py": "import torch\nimport random\n\ntorch.manual_seed(1)\nrandom.seed(1)\n"}
    found = ask("reproducible-training", seeds)
    assert [each.line for each in found.turned_down] == [4, 5]


def test_what_a_function_leads_to_comes_nearest_first(write: Write) -> None:
    facts = Facts(open_project(write({"a.py": "def c():\n    pass\ndef b():\n    c()\ndef a():\n    b()\n    c()\n"})))
    assert facts.below(("a.py", "a")) == (("a.py", "a"), ("a.py", "b"), ("a.py", "c"))


def test_a_call_names_the_conditions_that_it_stands_under() -> None:
    text = (
        "def go(x):\n    if x > 1:\n        if x.ready:\n            save(x)\n    else:\n        keep(x)\n    drop(x)\n"
    )
    (_, module) = next(iter(read_code([("a.py", text)], size=0)))
    assert isinstance(module, Module)
    assert {call.last: call.guards for call in module.functions["go"].calls} == {
        "save": (2, 3),
        "keep": (2,),
        "drop": (),
    }


CALLS = {
    "a.py": "import boto3\n\ndef one():\n    two()\n    boto3.client('s3', region_name='x')\n\ndef two():\n    read('s3://b')\n",
    "b.py": "import a\n\ndef three():\n    a.one()\n    send('mail', to='s3')\n",
    "tests/test_a.py": "import boto3\n\ndef test_it():\n    boto3.client('s3')\n",
}


def test_calls_are_found_by_name_keyword_and_address_outside_of_tests(write: Write) -> None:
    facts = Facts(open_project(write(CALLS)))

    def lines(places: Iterable[Place]) -> list[tuple[str, int]]:
        return [(module.path, call.line) for module, _, call in places]

    assert lines(facts.named(lambda name: name == "boto3.client")) == [("a.py", 5)]
    assert lines(facts.given("region_name", "to")) == [("a.py", 5), ("b.py", 5)]
    assert lines(facts.addressed(re.compile("^s3://"))) == [("a.py", 8)]
    assert [each.call.line for each in facts.calls_into("boto3")] == [5]


def test_what_leads_to_a_function_and_what_some_lead_to(write: Write) -> None:
    facts = Facts(open_project(write(CALLS)))
    assert facts.above([("a.py", "two")]) == {("a.py", "two"), ("a.py", "one"), ("b.py", "three")}
    assert facts.below_all([("b.py", "three"), ("a.py", "two")]) == {
        ("b.py", "three"),
        ("a.py", "one"),
        ("a.py", "two"),
    }


def test_the_projects_of_a_monorepo_are_read_once(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what names modules from where it lies, and what could not be read as it is."""
    root = write(
        {
            f"{name}/{path}": text
            for name in ("churn", "fraud")
            for path, text in {
                "requirements.txt": "scikit-learn\n",
                "Dockerfile": 'FROM python\nCMD ["python", "-m", "app.main"]\n',
                "app/__init__.py": "NAME = 1\n",
                "app/main.py": "from .fitting import fit\n\nif __name__ == '__main__':\n    fit([[0], [1]], [0, 1])\n",
                "app/fitting.py": FIT.replace("def train", "def fit"),
                "app/old.py": "print 1\n",
            }.items()
        }
    )
    read: list[str] = []
    read_python = readers.read_python
    monkeypatch.setattr(readers, "read_python", lambda path, text: (read.append(path), read_python(path, text))[1])
    found = assess(root, now=NOW)
    assert [part.path for part in found.projects] == ["churn", "fraud"]
    assert sorted(path for path in read if path.startswith(("churn/", "fraud/"))) == sorted(
        f"{name}/app/{path}.py" for name in ("churn", "fraud") for path in ("__init__", "main", "fitting", "old")
    )
    assert sorted(path for path in read if path.startswith("app/")) == ["app/main.py"] * 2 + ["app/old.py"] * 2
    monkeypatch.setattr(Project, "read_in", lambda *_: {})
    assert assess(root, now=NOW) == found
    training = found.projects[0].finding("training-automated")
    assert [(each.path, each.line) for each in training.evidence[:1]] == [("app/fitting.py", 3)]


def test_the_repository_around_several_projects_is_looked_through_once(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(
        on_push("python churn/train.py\n          - run: python fraud/train.py")
        | {f"{name}/requirements.txt": "scikit-learn\n" for name in ("churn", "fraud", "price")}
        | {f"{name}/train.py": f"{FIT}train([[0]], [0])\n" for name in ("churn", "fraud", "price")}
    )
    looked: list[Path] = []
    look = project.active_workflows
    monkeypatch.setattr(
        project, "active_workflows", lambda tree, *rest: (looked.append(tree.root), look(tree, *rest))[1]
    )
    found = assess(root, now=NOW)
    states = {part.path: part.finding("training-automated").state for part in found.projects}
    assert states == {"churn": State.WIRED, "fraud": State.WIRED, "price": State.PRESENT}
    assert looked.count(root) == 2  # for its own CI, and for that of all that lie in it
