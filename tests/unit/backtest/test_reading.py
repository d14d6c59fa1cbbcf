from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from windlass.backtest.reading import read_file
from windlass.errors import DataError, UsageError

PLAIN = "day,size,place\n2024-01-01,0.5,Köln\n2024-01-02,,Zürich\n2024-01-03,2,Bern\n"
SIZES = [0.5, None, 2.0]


@pytest.fixture
def read(tmp_path):
    def reading(content: bytes | str, name: str = "data.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        notes: list[str] = []
        return read_file(path, notes), notes

    return reading


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (PLAIN, None),
        (b"\xef\xbb\xbf" + PLAIN.encode(), None),
        (PLAIN.replace("\n", "\r\n"), None),
        (PLAIN.replace(",", ", "), None),
        (PLAIN.replace(",", ";"), "';'"),
        (PLAIN.replace(",", ";").replace(".", ","), "';'"),
        (PLAIN.replace(",", "|"), "'|'"),
        (PLAIN.replace(",", "\t"), None),
        (PLAIN.encode("cp1252"), "Windows-1252"),
        (PLAIN.encode("utf-16"), "UTF-16"),
    ],
)
def test_a_csv_file_reads_the_same_whatever_wrote_it(read, content, said):
    frame, notes = read(content)
    assert frame.columns == ["day", "size", "place"]
    assert frame["size"].to_list() == SIZES
    assert frame["place"].to_list() == ["Köln", "Zürich", "Bern"]
    assert frame.schema["day"] == pl.Date
    assert (said is None and not notes) or any(said in note for note in notes)


def test_separators_within_quotes_do_not_count(read):
    frame, _ = read('"a;b;c;d",e\n1,2\n')
    assert frame.columns == ["a;b;c;d", "e"]


def test_numbers_behind_spaces_and_commas_are_numbers_and_texts_stay_texts(read):
    frame, _ = read("n ; t;u;v\n 1;1,5;1,5 kg; x \n 2;-0,25;2;NA\n")
    assert frame.to_dict(as_series=False) == {
        "n": [1, 2],
        "t": [1.5, -0.25],
        "u": ["1,5 kg", "2"],
        "v": ["x", None],
    }
    with_commas, _ = read('a,b\n"1,5",2\n"2,5",3\n')
    assert with_commas["a"].to_list() == ["1,5", "2,5"]  # among commas it may be anything


def test_columns_that_are_known_to_be_text_are_not_guessed(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("code; day;n\n01067; 03.11.2026;1,5\n;;2,5\n")
    frame = read_file(path, [], texts={"code": (), "day": ()})
    assert frame.to_dict(as_series=False) == {"code": ["01067", None], "day": ["03.11.2026", None], "n": [1.5, 2.5]}


def test_what_is_known_to_be_a_value_is_not_missing(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("country,cellar,n\nNA,None,NA\nDE,,2\n,NA,3\n")
    frame = read_file(path, [], texts={"country": ("NA", "DE"), "cellar": ("None",)})
    assert frame.to_dict(as_series=False) == {
        "country": ["NA", "DE", None],
        "cellar": ["None", None, None],
        "n": [None, 2, 3],
    }


def test_unnamed_columns_may_be_several(read):
    assert read("a,,\n1,2,3\n")[0].width == 3


def test_names_that_differ_by_spaces_alone_keep_them(read):
    assert read("a, a\n1,2\n")[0].columns == ["a", " a"]


def test_a_parquet_file_is_taken_as_it_is(tmp_path):
    frame = pl.DataFrame({" a ": [" 1", "2"], "t": [datetime(2024, 1, 1)] * 2})  # noqa: DTZ001
    frame.write_parquet(tmp_path / "data.pq")
    assert read_file(tmp_path / "data.pq", []).equals(frame)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.xlsx", b"PK", "files ending in .xlsx are not read"),
        ("data", b"a,b", "files ending in nothing are not read"),
        ("broken.parquet", b"not parquet at all", "cannot be read"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3,4\n", "more fields than the header has names"),
        ("comment.csv", b"# made by hand\na,b\n1,2\n", "more fields than the header has names"),
        ("empty.csv", b"", "the file is empty"),
        ("empty.parquet", b"", "the file is empty"),
        ("blank.csv", b"\n\n", "cannot be read"),
        ("twice.csv", b"a;b;a\n1;2;3\n", "2 columns are named 'a'"),
        ("thrice.csv", b"\xff\xfe" + "a,a,a\n1,2,3\n".encode("utf-16-le"), "3 columns are named 'a'"),
    ],
)
def test_what_cannot_be_read_is_one_clear_error(read, name, content, message):
    with pytest.raises((UsageError, DataError), match=message) as caught:
        read(content, name)
    assert caught.value.remedy
    assert "\n" not in caught.value.what


def test_what_is_no_file_is_said_to_be_none(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        read_file(tmp_path / "gone.csv", [])
    with pytest.raises(UsageError, match="this is a folder"):
        read_file(tmp_path, [])
