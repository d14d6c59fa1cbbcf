"""`windlass backtest` as a person runs it: a file, what is printed and written; in a process where that counts."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

_RUN = "from windlass.cli.main import main\nmain()"


def process(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _RUN, "backtest", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def csv(tmp_path_factory) -> Path:
    """Messy on purpose: text dates, gaps, a category with odd names, an id, a label that takes days."""
    random = np.random.default_rng(0)
    rows = 900
    size = random.normal(size=rows)
    label = np.where(size + random.normal(size=rows) > 0, "late", "on time")
    frame = pl.DataFrame(
        {
            "day": [(date(2023, 1, 1) + timedelta(days=n // 2)).strftime("%d.%m.%Y") for n in range(rows)],
            "size": [None if n % 10 == 0 else round(float(each), 3) for n, each in enumerate(size)],
            "<b>shop & co</b>": [["a", "b", "ü, c"][n % 3] for n in range(rows)],
            "ticket": [f"T{n}" for n in range(rows)],
            "closed": [(date(2023, 1, 3) + timedelta(days=n // 2 + n % 5)).isoformat() for n in range(rows)],
            "label": label,
        }
    )
    path = tmp_path_factory.mktemp("data") / "orders.csv"
    frame.write_csv(path)
    return path


def test_a_file_without_a_line_of_code(windlass, csv, tmp_path):
    found = windlass(
        "backtest",
        str(csv),
        *["--target", "label", "--time", "day", "--label-time", "closed", "--drop", "ticket", "--windows", "6"],
        *["--estimator", "sklearn.linear_model.LogisticRegression", "--json", "out.json", "--html", "out.html"],
        at=tmp_path,
        expect=None,
    )
    assert found.returncode == 0, found.stderr
    plain = json.loads((tmp_path / "out.json").read_text())
    assert list(plain) == ["rows", "task", "metric", "windows", "policies", "events"]
    assert (plain["rows"], plain["task"], plain["metric"]) == (900, "binary", "roc_auc")
    assert [window["rows"] for window in plain["windows"]] == [120] * 6
    assert plain["windows"][0]["start"] == "2023-04-01"
    assert list(plain["policies"]) == ["frozen", "every-window", "recent", "windlass"]
    assert plain["policies"]["every-window"]["retrains"] == 5
    assert plain["policies"]["frozen"]["metric"] > 0.6
    for name, policy in plain["policies"].items():
        assert name in found.stdout
        assert f"{policy['metric']:.4f}" in found.stdout
        assert len(policy["per_window"]) == 6
    html = (tmp_path / "out.html").read_text()
    assert html.startswith("<!doctype html>")


def test_the_figures_alone_on_standard_output(csv, tmp_path):
    found = process(
        *[str(csv), "--target", "size", "--time", "day", "--windows", "3", "--label-delay", "7d", "--json", "-"],
        *["--estimator", "sklearn.linear_model.Ridge"],
        folder=tmp_path,
    )
    assert found.returncode == 0, found.stderr
    plain = json.loads(found.stdout)
    assert (plain["task"], plain["metric"]) == ("regression", "mae")
    assert "log_loss" not in plain["policies"]["windlass"]


def test_what_user_code_and_native_libraries_print_stays_out_of_the_figures(csv, tmp_path):
    (tmp_path / "noisy.py").write_text(_NOISY)
    found = process(
        *[str(csv), "--target", "label", "--time", "day", "--windows", "2", "--json", "-"],
        *["--estimator", "noisy.Noisy"],
        folder=tmp_path,
    )
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["task"] == "binary"
    for said in ("imported", "fitting in Python", "fitting in C"):
        assert said in found.stderr


_NOISY = """
import ctypes
from sklearn.linear_model import LogisticRegression

print("imported")


class Noisy(LogisticRegression):
    def fit(self, x, y):
        print("fitting in Python")
        ctypes.CDLL(None).printf(b"fitting in C\\n")
        return super().fit(x, y)
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--time", "day"], "--target COLUMN and --time COLUMN"),
        (["--target", "lable", "--time", "day"], "did you mean 'label'"),
        (["--target", "label", "--time", "day", "--task", "ranking"], "there is no task 'ranking'"),
        (["--target", "label", "--time", "day", "--json", "no/such/out.json"], "the folder of no/such/out.json"),
        (["--target", "label", "--time", "day", "--estimator", "sklearn.svm.LinearSVC"], "no predict_proba"),
        (["--target", "label", "--time", "day", "--metric", "mae"], "no metric 'mae' for a binary task"),
        (["--target", "ticket", "--time", "day"], "different values of type String"),
    ],
)
def test_a_wrong_call_is_one_message_with_a_remedy(windlass, csv, tmp_path, arguments, said):
    found = windlass("backtest", str(csv), *arguments, at=tmp_path, expect=None)
    assert found.returncode in (1, 2)
    assert said in found.stderr
    assert "remedy:" in found.stderr


def test_a_product_of_the_project_is_replayed(windlass, tmp_path):
    (tmp_path / "shop.py").write_text(_PRODUCT)
    found = windlass("backtest", "--windows", "4", "--json", "out.json", at=tmp_path, expect=None)
    assert found.returncode == 0, found.stderr
    plain = json.loads((tmp_path / "out.json").read_text())
    assert plain["rows"] == 500
    assert plain["policies"]["windlass"]["retrains"] == 3  # its own policy: at every look
    assert "Backtest of orders" in found.stdout
    wrong = windlass("backtest", "--target", "late", at=tmp_path, expect=None)
    assert wrong.returncode == 2
    assert "no file was given" in wrong.stderr


_PRODUCT = '''
from datetime import datetime, timedelta
import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
import windlass as wl


class Orders(wl.Product):
    """Will an order be late?"""

    task = wl.BinaryClassification(target="late", time="at", key="id")
    outcome = wl.Outcome(within="1d")
    estimator = LogisticRegression()
    retrain = wl.Retrain(on_rows=50)

    def extract(self, since):
        random = np.random.default_rng(0)
        size = random.normal(size=500)
        return pl.DataFrame(
            {
                "id": range(500),
                "at": [datetime(2024, 1, 1) + timedelta(hours=6 * n) for n in range(500)],
                "size": size,
                "late": (size + random.normal(size=500) > 0).astype(int),
            }
        )
'''
