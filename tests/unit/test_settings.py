"""Settings: what does not fit is told with the place where it was set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from windlass.errors import SettingsError
from windlass.settings import load_settings

WRONG: list[tuple[str, Any, str]] = [
    ("porrt", 1, "there is no setting 'porrt'"),
    ("port", "http", "Expected `int`"),
    ("port", 65_536, "there is no port 65536"),
    ("port", -1, "there is no port -1"),
    ("workers", 0, "0 cannot be its value"),
    ("poll_seconds", 0.0, "0.0 cannot be its value"),
    ("poll_seconds", "nan", "nan cannot be its value"),
    ("lease_seconds", -1.0, "-1.0 cannot be its value"),
    ("run_memory_mb", -1, "-1 cannot be its value"),
    ("durability", "maybe", "Invalid enum value"),
    ("workspace", "s3://bucket/windlass", "s3://bucket/windlass is an address"),
]


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
@pytest.mark.parametrize("layer", ["flags", "environment", "file"])
def test_a_setting_that_does_not_fit_is_told_with_its_place(
    tmp_path: Path, layer: str, name: str, value: Any, said: str
) -> None:
    given: dict[str, Any] = {"environment": {}, "flags": {}}
    if layer == "flags":
        given["flags"] = {name: value}
    elif layer == "environment":
        given["environment"] = {f"WINDLASS_{name.upper()}": str(value)}
    else:
        written = value if isinstance(value, int | float) or value == "nan" else f'"{value}"'
        (tmp_path / "windlass.toml").write_text(f"{name} = {written}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(directory=tmp_path, **given)
    assert said in caught.value.what
    assert {"flags": "flag", "environment": "environment", "file": "windlass.toml"}[layer] in caught.value.where
    assert caught.value.remedy


def test_what_is_nearer_wins(tmp_path: Path) -> None:
    (tmp_path / "windlass.toml").write_text('port = 1\nworkers = 2\nhost = "a"\n')
    found = load_settings(
        directory=tmp_path, environment={"WINDLASS_WORKERS": "3", "WINDLASS_HOST": "b"}, flags={"host": "c"}
    )
    assert (found.port, found.workers, found.host, found.poll_seconds) == (1, 3, "c", 0.5)
