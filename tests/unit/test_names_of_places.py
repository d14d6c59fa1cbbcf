"""Files and folders by any name: taken for themselves, and not for a pattern or a part of an address."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from windlass.app.workspace import Workspace
from windlass.backtest.reading import read_file
from windlass.cli.drift import compare_files
from windlass.errors import UsageError
from windlass.lake.segments import SegmentWriter
from windlass.serving.files.rows import ParquetRows, WholeFile
from windlass.settings import load_settings

from .lake.conftest import Make  # type: ignore[import-not-found]


@pytest.mark.parametrize(
    "name", ["my data", "jörg", "日本", "a#b", "100%", "a{b}", 'a"b', "a+b&c", "~t", "$HOME", "it's"]
)
def test_a_lake_lies_in_any_folder_that_a_workspace_may_have(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    lake, segments = Make.lake(folder / "lake"), folder / "segments" / "flights"
    writer = SegmentWriter(segments / "w0")
    for number in range(3):
        writer.append(Make.predictions(f"p{number}", keys=[f"k{number}"]))
        writer.append(Make.outcomes(Make.outcome(number, key=f"k{number}")))
        lake.commit_segments("flights", segments, Make.noon)
    table = lake._handle("flights", "predictions")
    assert table.compact() > 0
    assert lake.predictions("flights")["prediction_id"].to_list() == ["p0", "p1", "p2"]
    assert lake.outcomes("flights", key="k1")["value"].to_list() == ["1"]
    assert table.drop(pl.col("key") == "k0", mark="erased") == 1
    assert lake.predictions("flights")["prediction_id"].to_list() == ["p1", "p2"]


@pytest.mark.parametrize("name", ["a%20b", "[x]", "x]", "a?b", "a*b", "a|b", "a^b", "a\\b", "a\nb"])
def test_a_workspace_that_could_not_be_read_again_is_not_begun(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "windlass.toml").touch()
    settings = load_settings(directory=folder, environment={})
    with pytest.raises(UsageError, match="a workspace cannot lie in a folder whose path has"):
        Workspace.open(settings, create=True)
    assert not settings.workspace.exists()


@pytest.mark.parametrize("name", ["data [1]", "data?", "data*"])
def test_a_file_is_taken_by_its_name_and_not_for_others_that_fit_a_pattern(tmp_path: Path, name: str) -> None:
    meant, other = pl.DataFrame({"x": range(1000), "y": [0, 1] * 500}), pl.DataFrame({"x": [5] * 1000, "y": [1] * 1000})
    for kind in (".parquet", ".csv"):
        path = tmp_path / f"{name}{kind}"
        for frame, place in ((meant, path), (other, tmp_path / f"data 1{kind}"), (other, tmp_path / f"data1{kind}")):
            frame.write_parquet(place) if kind == ".parquet" else frame.write_csv(place)
        assert read_file(path, []).equals(meant)
        assert not compare_files(path, path, state=None, seasons=False).report.alert
        assert compare_files(path, tmp_path / f"data 1{kind}", state=None, seasons=False).report.alert
    (stretch,) = ParquetRows(tmp_path / f"{name}.parquet").stretches([])
    assert stretch.carried.equals(meant)
    written = tmp_path / f"out {name}.parquet"
    with WholeFile(written) as whole:
        for part in meant.iter_slices(300):
            whole.write(part)
        whole.finish()
    assert pl.read_parquet(written, glob=False).equals(meant)
