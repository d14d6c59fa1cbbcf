"""Trees that mean harm or are merely broken: the scan ends, runs nothing, and says what it could not read."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from windlass.assessment.assess import assess
from windlass.assessment.reading.notebook import read_notebook
from windlass.assessment.reading.python import NotPython, read_python
from windlass.assessment.reading.r import read_r
from windlass.assessment.reading.shell import read_shell
from windlass.assessment.reading.tree import Limits, Tree
from windlass.assessment.reading.variables import spread
from windlass.assessment.reading.yaml import read_yaml
from windlass.assessment.records import Assessment

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def unread(found: Assessment) -> dict[str, str]:
    return {each.path: each.why for each in found.unread}


def test_a_huge_notebook_is_read_up_to_the_limit(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": ["model.fit(x, y)\n"]}
    start = json.dumps({"cells": [cell]})[:-2] + ", "
    with (tmp_path / "big.ipynb").open("w") as file:
        file.write(start + '{"cell_type": "code", "outputs": ["' + "A" * 9_000_000)
        file.seek(200_000_000)
        file.write('"]}]}')
    tracemalloc.start()
    found = assess(tmp_path, now=NOW)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "read up to there" in unread(found)["big.ipynb"]
    assert peak < 100_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="asks the system in a way that others do not know")
@pytest.mark.parametrize("line", ["x = f(a, b)\n", "a\n"])
@pytest.mark.parametrize("name", ["big.ipynb", "big.py"])
def test_code_without_end_takes_no_more_than_300_mb(tmp_path: Path, name: str, line: str) -> None:
    """Of the process that parses it, which may be a fork of the first."""
    lines = [line] * 1000
    cell = json.dumps({"cell_type": "code", "source": lines})
    whole = '{"cells": [' + ", ".join([cell] * 1000) + "]}" if name == "big.ipynb" else "".join(lines) * 200
    folder = tmp_path / "scanned"
    folder.mkdir()
    (folder / name).write_text(whole)
    code = (
        "import resource, sys; from datetime import UTC, datetime; from pathlib import Path;"
        "from windlass.assessment.assess import assess;"
        "found = assess(Path(sys.argv[1]), now=datetime.now(UTC)); print([each.path for each in found.unread]);"
        "own = [line for line in open('/proc/self/status') if line.startswith('VmHWM')];"  # not of who forked it
        "print(max(int(own[0].split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))"
    )
    told = subprocess.run([sys.executable, "-c", code, str(folder)], check=True, capture_output=True, text=True).stdout
    unread_paths, kilobytes = told.splitlines()
    assert unread_paths == str([name])
    assert int(kilobytes) < 300_000


@pytest.mark.skipif(sys.platform == "win32", reason="has no such pipes")
def test_a_pipe_is_told_of_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    assert "not opened" in unread(assess(tmp_path, now=NOW))["pipe.py"]


def test_cells_before_the_cut_count(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": ["from sklearn.svm import SVC\n", "SVC().fit(x, y)\n"]}
    text = json.dumps({"cells": [cell, cell]})
    module = read_notebook("n.ipynb", text[:-30])
    assert [call.name for call in module.functions[""].calls if call.last == "fit"] == ["sklearn.svm.SVC.fit"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("import mlflow\nmlflow.log_metric('a', 1)\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / "loop").symlink_to(project)
    (project / "away").symlink_to(outside)
    (project / "file.py").symlink_to(outside / "secret.py")
    found = assess(project, now=NOW)
    assert set(unread(found)) == {"loop", "away", "file.py"}
    assert not found.finding("experiment-tracking").evidence


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "x.py").write_text("x = 1\n")
    assert assess(tmp_path, now=NOW).files == 1


def test_anchors_that_explode(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    merges = ["m0: &m0 {k0: v}"] + [f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    lines += [f"filler{n}: {n}" for n in range(10_000)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    (tmp_path / "merge.yaml").write_text("\n".join(merges))
    (tmp_path / "x.py").write_text("x = 1\n")
    said = unread(assess(tmp_path, now=NOW))
    assert "anchors" in said["bomb.yaml"]
    assert "anchors" in said["merge.yaml"]


def test_an_anchor_within_itself_ends() -> None:
    documents, why = read_yaml("a: &a [*a, *a]\nb: *a\n")
    assert why == ""
    assert documents[0]["a"] == [None, None]


STAIRS = "a:\n" + "".join(" " * depth + "a:\n" for depth in range(1, 300))


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "- " * 5000, STAIRS])
def test_depth_has_a_limit(text: str) -> None:
    assert read_yaml(text)[1]


def test_tags_are_not_obeyed(tmp_path: Path) -> None:
    target = tmp_path / "made"
    read_yaml(f"a: !!python/object/apply:os.mkdir ['{target}']\n")
    assert not target.exists()


def test_broken_utf8_and_python_2_are_told(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"# caf\xe9\nx = 1\n")
    (tmp_path / "old.py").write_text("print 'hello'\n")
    (tmp_path / "binary.py").write_bytes(b"\0\1\2")
    said = unread(assess(tmp_path, now=NOW))
    assert "UTF-8" in said["latin.py"]
    assert "Python 2" in said["old.py"]
    assert said["binary.py"] == "not text"


def test_a_file_that_vanishes_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("x = 1\n")
    tree = Tree(tmp_path)
    assert list(tree.sizes) == ["x.py"]
    (tmp_path / "x.py").unlink()
    assert tree.text("x.py") is None
    assert "could not be read" in tree.unread["x.py"]


def test_more_files_than_the_limit_are_left_out(tmp_path: Path) -> None:
    for folder in range(5):
        (tmp_path / f"d{folder}").mkdir()
        for number in range(5):
            (tmp_path / f"d{folder}" / f"{number}.txt").write_text("")
    tree = Tree(tmp_path, Limits(files=10))
    assert len(tree.sizes) < 25
    assert any("more than 10 files" in why for why in tree.unread.values())


def test_nothing_is_run_and_nothing_is_imported(tmp_path: Path) -> None:
    made = tmp_path / "made"
    harm = f"open({str(made)!r}, 'w').close()\n"
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    for name in ("setup.py", "conftest.py", "noxfile.py", "tasks.py", "tests/test_x.py", "sitecustomize.py"):
        (project / name).write_text(harm)
    (project / "Makefile").write_text(f"X := $(shell touch {made})\nall:\n\ttouch {made}\n")
    assess(project, now=NOW)
    assert not made.exists()


ODD = ["(" * 10_000, "-" * 20_000 + "1", "x" + ".a" * 20_000, "f" + "()" * 5_000, "\0", "if 1:\n" * 3]


@pytest.mark.parametrize(
    ("start", "again", "end"),
    [
        ("a=['x','y']\n", "a=[a,a]\nsubprocess.run(a)\n", ""),
        ("a=['x','y']\n", "a+=[a,a]\n", "subprocess.run(a)\n"),
        ("a=['x','y']\n", "a=a+[a]\n", "subprocess.run(a + a)\n"),
        ("e={**os.environ,'A':'b'}\n", "e={**os.environ,**e,**e}\n", "subprocess.run('x',env=e)\n"),
        ("", "os.environ['A']='b'\n", "subprocess.run('x')\n"),
    ],
)
def test_variables_that_double_with_each_line(start: str, again: str, end: str) -> None:
    module = read_python("a.py", f"import os, subprocess\n{start}{again * 2000}{end}")
    calls = [each for each in module.functions[""].calls if each.name == "subprocess.run"]
    assert calls
    assert all(len(value) <= 4000 for each in calls for value in each.values)


def test_calls_of_a_loop_are_not_multiplied_without_end() -> None:
    scripts = ", ".join(f"'{number}.py'" for number in range(40))
    module = read_python("a.py", f"for s in [{scripts}]:\n" + "    f(s, g(s))\n" * 3000)
    assert 6000 < len(module.functions[""].calls) < 10_000


def test_values_of_many_names_are_not_multiplied() -> None:
    values = {f"A{number}": tuple(map(str, range(9))) for number in range(20)}
    found = spread(("python", *(f"${name}" for name in values)), values)
    assert len(found) == 81
    assert found[0] == ("python", *(["0"] * 20))


def test_variables_of_a_shell_that_double_with_each_line() -> None:
    doubled = read_shell("export A=x\n" + "export A=$A$A\n" * 200 + "python $A\n")
    many = read_shell("".join(f"export A{number}=x\n" for number in range(3000)) + "python a.py\n")
    assert all(len(word) <= 4000 for word in doubled[-1].argv)
    assert len(many[-1].given) <= 64


@pytest.mark.parametrize("text", ODD)
def test_odd_python_is_refused_or_read(text: str) -> None:
    said = ""
    try:
        read_python("x.py", text)
        said = "read"
    except NotPython as error:
        said = str(error)
    assert said


SOUP = st.text(alphabet=st.sampled_from([*list("abc:-{}[]()&*|>'\"#!%@,.?\\ \n\t$=<;`"), "é", "\u2028"]), max_size=300)


@given(text=SOUP)
@settings(max_examples=150)
def test_readers_take_any_text(text: str) -> None:
    read_yaml(text)
    read_shell(text)
    for read in (read_python, read_notebook):
        with contextlib.suppress(NotPython):
            read("x.py", text)


NAMES = st.sampled_from(
    [
        "Makefile", "a.py", "n.ipynb", ".github/workflows/w.yml", "Dockerfile", "dvc.yaml", "tox.ini", "setup.cfg",
        "pyproject.toml", ".gitlab-ci.yml", "package.json", "Jenkinsfile", "justfile", "docker-compose.yml", "main.tf",
        "requirements.txt", "prefect.yaml", "azure-pipelines.yml", ".circleci/config.yml", "tests/test_a.py",
        "cloudbuild.yaml", "buildspec.yml", "bitbucket-pipelines.yml", ".travis.yml", "noxfile.py", "action.yml",
        "MLproject", "artifacts.yaml", "data.csv.dvc", "environment.yml", "Taskfile.yml", "k8s/d.yaml", "dvc.lock",
    ]
)  # fmt: skip
PIECES = st.sampled_from(
    [
        "on: push\n", "jobs:\n", "  a:\n", "    steps:\n", "      - run: make x\n", "x: &a [*a]\n", "- b\n", "- 1\n",
        "import mlflow\n", "def f():\n", "    return f()\n", "f()\n", '{"cells": [', "stages:\n", "a = 1\n", "null\n",
        '{"cell_type": "code", "source": [1, null]}', "  s: {cmd: dvc repro}\n", "make: make\n\tmake make\n",
        "[tool.poe.tasks]\n", "FROM x\n", "CMD [1]\n", "services: 1\n", "schedules: [null]\n", "on: {schedule: 1}\n",
        "steps: [1, {name: 1}]\n", "workflows: {a: {jobs: [1, {b: 1}]}}\n", "deployments: [{entrypoint: 1}]\n",
        "kind: CronJob\n", "spec: {containers: [{image: a, command: 1}]}\n", "[project]\n", 'name = "a"\n', "outs: 1\n",
        "resources: {jobs: {a: {tasks: 1}}}\n", "artifacts: [1]\n", "extends: a\n", "template: a\n", "pipelines: 1\n",
        "phases: {a: {commands: 1}}\n", "runs: {steps: 1}\n", "tasks: {a: 1}\n", "groups: [{rules: [{alert: 1}]}]\n",
        "receivers: [1, {a_configs: 1}]\n", "entry_points: {main: 1}\n", "trigger: none\n", "strategy: {a: 1}\n",
    ]
)  # fmt: skip


@given(files=st.dictionaries(NAMES, st.lists(PIECES, max_size=8).map("".join), max_size=6))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_heap_of_files_is_assessed(tmp_path_factory: pytest.TempPathFactory, files: dict[str, str]) -> None:
    root = tmp_path_factory.mktemp("heap")
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    found = assess(root, now=NOW)
    assert len(found.practices) == 94


def test_a_document_of_r_that_opens_chunks_and_closes_none_is_read_once() -> None:
    calls = list(read_r("a.Rmd", "```{r}\nlm(x)\n" * 50_000))
    assert calls == []
    closed = list(read_r("a.Rmd", "```{r}\nlm(x)\n```\n" * 3))
    assert [call.line for call in closed] == [2, 5, 8]


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ('echo "' + "$(" * 100_000, 1),
        ("x" + '""' * 100_000, 1),
        ("A=" + '""=' * 100_000, 0),
        ('A="' + "$(a)" * 10_000 + '"', 10_000),
    ],
)
def test_quotes_and_substitutions_without_an_end(text: str, commands: int) -> None:
    assert len([each for each in read_shell(text) if each.argv != ("",)]) == commands
