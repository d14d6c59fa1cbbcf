"""Code that two processes read is what one would have read."""

from __future__ import annotations

import os
import signal

import pytest

from windlass.assessment.assess import open_project
from windlass.assessment.facts import Facts
from windlass.assessment.reading import readers
from windlass.assessment.reading.code import Module
from windlass.assessment.reading.readers import Text, read_code
from windlass.errors import UsageError

from .conftest import Ask, Write

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
