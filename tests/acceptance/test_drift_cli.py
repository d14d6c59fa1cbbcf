"""`windlass profile` and `windlass drift` on files, as somebody uses them who has no other part of Windlass."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result

from windlass.cli.main import app
from windlass.errors import DataError, UsageError, WindlassError
from windlass.monitoring import load_state


def windlass(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def rows(rng: np.random.Generator, count: int, *, shift: float = 0.0, columns: int = 20) -> pl.DataFrame:
    """Numbers, a fifth of which can be shifted, and one column of every other kind."""
    numbers = {f"n{place}": rng.normal(shift if place < columns / 5 else 0, 1, count) for place in range(columns)}
    return pl.DataFrame(numbers).with_columns(
        carrier=pl.Series(rng.choice(["UA", "AA", "<b>DL</b>"], count)),
        zip=pl.Series(rng.integers(0, 300, count).astype(str)),
        member=pl.Series(rng.random(count) < 0.2),
        gaps=pl.Series(np.where(rng.random(count) < 0.1, np.nan, rng.lognormal(size=count))),
        ticket=pl.int_range(count),
        tags=pl.Series([["a"]] * count),
    )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of the same source and one of another, and the first one's profile."""
    folder, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(4)
    rows(rng, 20_000).write_parquet(folder / "train.parquet")
    rows(rng, 20_000).write_parquet(folder / "same.parquet")
    rows(rng, 20_000, shift=0.1).write_parquet(folder / "moved.parquet")
    windlass("profile", str(folder / "train.parquet"), "-o", str(folder / "p.json"))
    return folder


@pytest.fixture
def folder(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of the test's own that holds the files."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def report(*arguments: str) -> dict[str, Any]:
    done = windlass("drift", *arguments, "--json", "-")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_files_without_and_with_drift(folder: Path) -> None:
    same, moved = report("train.parquet", "same.parquet"), report("train.parquet", "moved.parquet")
    assert same["alert"] is False
    assert moved["alert"] is True
    assert [column["name"] for column in moved["columns"] if column["alert"]] == ["n0", "n1", "n2", "n3"]
    assert [column["alert"] for column in same["columns"]] == [False] * 26
    assert [column["kind"] for column in same["columns"][24:]] == ["rising", "presence"]
    assert moved["rows"] == {"reference": 20_000, "current": 20_000}
    assert moved["columns"][0]["effect"]["shift"] == pytest.approx(0.1, abs=0.04)
    assert {"name", "alert", "kind", "effect", "evidence"} <= set(moved["columns"][0])
    assert moved["unwatched"] == {
        "ticket": "it only rises with time",
        "tags": "values of type List(String) are not judged",
    }
    assert moved["seconds"] > 0


def test_a_saved_profile_takes_the_place_of_either_file(folder: Path) -> None:
    done = windlass("profile", "train.parquet", "-o", "train.profile.json")
    assert done.exit_code == 0, done.output
    assert "20,000 rows" in done.stdout
    assert "ticket: it only rises with time" in done.stdout
    for current in ("same", "moved"):
        plain = report("train.parquet", f"{current}.parquet")
        saved = report("train.profile.json", f"{current}.parquet")
        assert [each["evidence"] for each in plain["columns"]] == [each["evidence"] for each in saved["columns"]]
    windlass("profile", "moved.parquet", "--like", "train.profile.json")
    both = report("train.profile.json", "moved.parquet.profile.json")
    assert [each["evidence"] for each in plain["columns"]] == [each["evidence"] for each in both["columns"]]
    windlass("profile", "moved.parquet", "-o", "own.profile.json")
    refused = windlass("drift", "train.profile.json", "own.profile.json")
    assert isinstance(refused.exception, UsageError)
    assert "--like train.profile.json" in str(refused.exception)


def test_csv_and_parquet_are_the_same(folder: Path) -> None:
    for name in ("train", "moved"):
        pl.read_parquet(f"{name}.parquet").drop("tags").write_csv(f"{name}.csv")
    plain, text = report("train.parquet", "moved.parquet"), report("train.csv", "moved.csv")
    numbers = [column["evidence"] for column in plain["columns"][:20]]
    assert [column["evidence"] for column in text["columns"][:20]] == pytest.approx(numbers)


def test_texts_that_look_like_something_else_in_a_csv_file_stay_texts(rng: np.random.Generator, folder: Path) -> None:
    """Postal codes, German dates, numbers and words for nothing that a parquet file holds as text."""
    day = [(date(2026, 1, 1) + timedelta(days=place)).strftime("%d.%m.%Y") for place in range(60)]
    train = pl.DataFrame(
        {
            "postcode": rng.choice(["01067", "10115", "80331"], 3000),
            "day": rng.choice(day, 3000),
            "grade": rng.integers(1, 6, 3000).astype(str),
            "cellar": rng.choice(["None", "NA", "dry"], 3000),
            "order": [f"{place:06}" for place in range(3000)],
        }
    )
    train.write_parquet("texts.parquet")
    train.sample(fraction=0.5, seed=1).write_csv("texts.csv")
    windlass("profile", "texts.parquet")
    for reference in ("texts.parquet", "texts.parquet.profile.json"):
        found = report(reference, "texts.csv")
        assert (found["alert"], found["retyped"]) == (False, {})
    half = train.sample(fraction=0.5, seed=2)
    half.write_parquet("half.parquet")
    windlass("profile", "half.parquet", "--like", "texts.csv")
    for current in ("half.parquet", "half.parquet.profile.json"):
        found = report("texts.csv", current)
        assert (found["alert"], found["retyped"]) == (False, {})
    train.with_columns(postcode=pl.lit("99999")).write_csv("moved.csv")
    drifted = report("texts.parquet", "moved.csv")
    assert [column["name"] for column in drifted["columns"] if column["alert"]] == ["postcode"]


def test_windows_add_up_and_alerts_end(rng: np.random.Generator, folder: Path) -> None:
    """One window of 1,000 rows does not show it; a few together do. When the source is mended, the alert ends."""
    alerts = []
    for place in range(26):
        rows(rng, 1000, shift=0.0 if place < 3 or place >= 14 else 0.12).write_parquet("hour.parquet")
        if place == 3:
            assert report("p.json", "hour.parquet")["alert"] is False
        found = report("p.json", "hour.parquet", "--state", "watch.json")
        assert found["windows"] == place + 1
        alerts.append(found["alert"])
    first = alerts.index(True)
    assert 4 <= first <= 8
    assert all(alerts[first:14])
    assert not alerts[-1]


def test_a_window_that_is_given_again_counts_once(folder: Path) -> None:
    command = ("p.json", "moved.parquet", "--state", "s.json")
    first, state = report(*command), Path("s.json").read_bytes()
    again = report(*command)
    assert (first["again"], again["again"]) == (False, True)
    assert again["windows"] == 1
    assert [column["evidence"] for column in again["columns"]] == [column["evidence"] for column in first["columns"]]
    assert Path("s.json").read_bytes() == state
    assert "not counted again" in windlass("drift", *command).stdout
    shutil.copy("moved.parquet", "later.parquet")  # the same rows, and another window
    assert report("p.json", "later.parquet", "--state", "s.json")["windows"] == 2


def test_processes_that_share_a_state_lose_no_window(folder: Path) -> None:
    for place in range(4):
        shutil.copy("same.parquet", f"{place}.parquet")
    command = [sys.executable, "-m", "windlass", "drift", "p.json"]
    running = [subprocess.Popen([*command, f"{place}.parquet", "--state", "s.json"]) for place in range(4)]
    assert [each.wait(600) for each in running] == [0] * 4
    assert load_state(Path("s.json")).windows == 4


def test_a_state_belongs_to_its_reference(folder: Path) -> None:
    report("train.parquet", "same.parquet", "--state", "watch.json")
    before = Path("watch.json").read_bytes()
    for arguments, said in (
        (["same.parquet", "same.parquet"], "belongs to another reference"),
        (["train.parquet", "same.parquet", "--seasons"], "begun without the seasons"),
    ):
        refused = windlass("drift", *arguments, "--state", "watch.json")
        assert isinstance(refused.exception, DataError)
        assert said in str(refused.exception)
        assert "watch.json" in str(refused.exception)
    assert Path("watch.json").read_bytes() == before


def test_a_page_shows_the_drifted_first_and_runs_nothing(folder: Path) -> None:
    done = windlass("drift", "train.parquet", "moved.parquet", "--html", "page.html")
    assert done.exit_code == 0, done.output
    assert "DRIFT" in done.stdout
    assert "Next:" in done.stdout
    page = Path("page.html").read_text()
    names = re.findall(r"<h3><b>(.*?)</b>", page)
    assert sorted(names[:4]) == ["n0", "n1", "n2", "n3"]
    assert len(names) == 26
    assert "&lt;b&gt;DL" in page
    assert "<b>DL" not in page
    assert not re.search(r"<script|https?://", page)


def test_a_page_writes_large_numbers_out(rng: np.random.Generator, folder: Path) -> None:
    train = pl.DataFrame({"income": rng.uniform(20_000, 90_000, 4000)})
    train.write_parquet("incomes.parquet")
    train.select(pl.col("income") + 2500).write_parquet("raised.parquet")
    windlass("drift", "incomes.parquet", "raised.parquet", "--html", "page.html")
    page = Path("page.html").read_text()
    assert re.search(r"2\d,\d{3} to 2\d,\d{3}", page)
    assert not re.search(r"\de\+0\d", page)


def test_every_figure_in_the_json_is_documented(folder: Path) -> None:
    found = report("train.parquet", "moved.parquet")
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "watch-drift.md").read_text()
    names = {*found, *found["rows"], *found["columns"][0], *found["columns"][0]["effect"]}
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_the_exit_code_tells_only_when_asked(folder: Path) -> None:
    assert windlass("drift", "train.parquet", "moved.parquet").exit_code == 0
    assert windlass("drift", "train.parquet", "moved.parquet", "--fail-on-alert").exit_code == 3
    assert windlass("drift", "train.parquet", "same.parquet", "--fail-on-alert").exit_code == 0


def test_columns_that_vanish_change_type_or_are_new(folder: Path) -> None:
    changed = pl.read_parquet("same.parquet").drop("n7").with_columns(pl.col("member").cast(pl.String), extra=pl.lit(1))
    changed.write_parquet("changed.parquet")
    found = report("train.parquet", "changed.parquet")
    assert found["alert"] is True
    assert found["vanished"] == ["n7", "member"]
    assert [column["name"] for column in found["columns"] if column["alert"]] == ["n7", "member"]
    assert found["retyped"] == {"member": "text"}
    assert found["reasons"] == [
        "The window lacks columns of the reference: n7.",
        "Columns have another type than in the reference: member (now text).",
    ]
    assert found["unknown"] == ["extra"]
    assert all(column["effect"]["missing_change"] == 0 for column in found["columns"] if column["alert"])
    assert windlass("drift", "train.parquet", "changed.parquet", "--html", "page.html").exit_code == 0
    assert "now text" in Path("page.html").read_text()


def test_columns_that_are_not_judged_vanish_and_change_type_too(folder: Path) -> None:
    day = pl.date_range(date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=19_999), eager=True)
    train = pl.read_parquet("train.parquet").with_columns(day=day, never=pl.lit(None, dtype=pl.Float64))
    train.write_parquet("dated.parquet")
    whole = train.sample(fraction=0.5, shuffle=True, seed=1)
    kept = whole.with_columns(never=pl.lit("now there"), day=pl.lit(None, dtype=pl.Null))
    for current, alerted, retyped in (
        (whole, [], {}),
        (
            kept,
            ["day", "never"],
            {},
        ),  # nobody knows what a column without any value is, but one is gone and one is there
        (whole.drop("ticket", "never"), ["ticket", "never"], {}),
        (whole.with_columns(pl.col("day").cast(pl.String)), ["day"], {"day": "text"}),
        (whole.with_columns(tags=pl.lit("a")), ["tags"], {"tags": "text"}),
    ):
        current.write_parquet("now.parquet")
        found = report("dated.parquet", "now.parquet")
        assert sorted(column["name"] for column in found["columns"] if column["alert"]) == sorted(alerted)
        assert (found["alert"], found["retyped"]) == (bool(alerted), retyped)
        assert found["vanished"] == ([] if current is kept else alerted)


def test_what_has_drifted_is_told_beside_what_has_vanished(folder: Path) -> None:
    pl.read_parquet("moved.parquet").drop("n7").write_parquet("both.parquet")
    reasons = report("train.parquet", "both.parquet")["reasons"]
    assert reasons[0] == "The window lacks columns of the reference: n7."
    assert len(reasons) == 5  # and the four that were moved
    assert all("has shifted" in reason for reason in reasons[1:])


def test_files_with_nothing_in_common_are_told_in_a_sentence(folder: Path) -> None:
    pl.DataFrame({"other": [1.5, 2.5]}).write_parquet("other.parquet")
    (reason,) = report("train.parquet", "other.parquet")["reasons"]
    assert reason.startswith("The window has none of the columns that are judged: n0, n1,")
    assert reason.endswith(" and 6 more.")  # of 24 that are judged and two that are not


def test_a_file_in_which_nothing_can_be_watched_is_no_reference(folder: Path) -> None:
    pl.DataFrame({"row": range(500)}).write_parquet("rows.parquet")
    said = windlass("profile", "rows.parquet").stdout
    assert "no column that can be watched" in said
    assert "row: it only rises with time" in said
    assert "Next" not in said


def test_no_file_that_is_read_is_overwritten(folder: Path) -> None:
    before = Path("same.parquet").read_bytes()
    for arguments in (
        ["profile", "same.parquet", "-o", "same.parquet"],
        ["drift", "train.parquet", "same.parquet", "--json", "same.parquet"],
        ["drift", "train.parquet", "same.parquet", "--html", "./same.parquet"],
        ["drift", "train.parquet", "same.parquet", "--json", "one", "--html", "one"],
    ):
        refused = windlass(*arguments).exception
        assert isinstance(refused, UsageError)
        assert "would be overwritten" in str(refused)
    assert Path("same.parquet").read_bytes() == before
    assert not Path("one").exists()


def test_empty_and_tiny_files(folder: Path) -> None:
    for count in (0, 1):
        pl.read_parquet("same.parquet")[:count].write_parquet("few.parquet")
        found = report("train.parquet", "few.parquet")
        assert (found["alert"], found["judged"], found["rows"]["current"]) == (False, True, count)
        assert ("no rows" in found["reasons"][0]) == (count == 0)
        assert windlass("drift", "train.parquet", "few.parquet", "--html", "page.html").exit_code == 0
    refused = windlass("drift", "few.parquet", "train.parquet")
    assert refused.exit_code == 0  # one row is a reference, and waits for more
    assert "references of 100 rows or more" in refused.stdout
    assert refused.stdout.startswith("Not judged")
    pl.read_parquet("same.parquet")[:0].write_parquet("none.parquet")
    assert "the reference has no rows" in str(windlass("drift", "none.parquet", "few.parquet").exception)


def test_a_reference_without_any_value_is_judged_by_what_is_there(folder: Path) -> None:
    empty = pl.DataFrame({"empty": [None] * 200}, schema={"empty": pl.Float64})
    empty.write_parquet("none.parquet")
    done = windlass("drift", "none.parquet", "none.parquet")
    assert "Not judged by their values: empty: it is always missing" in done.stdout
    assert done.stdout.startswith("No drift")
    empty.with_columns(empty=pl.lit(1.5)).write_parquet("some.parquet")
    assert windlass("drift", "none.parquet", "some.parquet").stdout.startswith("DRIFT")


@pytest.mark.parametrize("damage", ["cut", "changed", "other", "version", "binary"])
def test_a_damaged_profile_is_one_clear_error(folder: Path, damage: str) -> None:
    whole = Path("p.json").read_bytes()
    if damage == "version":
        whole = whole.replace(b'"version":1', b'"version":9', 1)
    elif damage == "changed":
        whole = whole.replace(b'"counts":[0,', b'"counts":[1,', 1)
    elif damage == "binary":
        whole = whole[:200] + b"\x80\x04\xff" + whole[203:]
    elif damage == "cut":
        whole = whole[: len(whole) // 2]
    Path("p.json").write_bytes(b'{"a": 1}' if damage == "other" else whole)
    refused = windlass("drift", "p.json", "same.parquet").exception
    assert isinstance(refused, WindlassError)
    assert "p.json" in str(refused)
    assert refused.remedy


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no.parquet", "same.parquet"], "no such file"),
        (["train.parquet", "folder"], "this is a folder"),
        (["train.parquet", "text.parquet"], "cannot be read"),
        (["train.parquet", "same.parquet", "--json", "nowhere/out.json"], "does not exist"),
        (["train.parquet", "same.parquet", "--state", "text.parquet"], "no whole windlass-drift-state"),
    ],
)
def test_nonsense_is_one_clear_error(folder: Path, arguments: list[str], said: str) -> None:
    Path("folder").mkdir()
    Path("text.parquet").write_text("this is no parquet")
    done = windlass("drift", *arguments)
    assert isinstance(done.exception, (DataError, UsageError))
    assert said in str(done.exception)
    assert "remedy:" in str(done.exception)
