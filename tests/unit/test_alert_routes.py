"""Routes of alerts: what does not fit is told with the place where it was set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from windlass.errors import SettingsError
from windlass.settings import load_settings


def test_routes_come_from_the_file_or_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "windlass.toml").write_text('[alerts.ops]\nkind = "webhook"\nurl = "http://h"\n')
    assert load_settings(directory=tmp_path, environment={}).alerts["ops"].url == "http://h"
    said = {"WINDLASS_ALERTS": json.dumps({"other": {"kind": "slack", "url_from": "HOOK"}})}
    assert list(load_settings(directory=tmp_path, environment=said).alerts) == ["other"]


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ('kind = "webhook"', "either `url` or `url_from`"),
        ('kind = "email"\nurl = "smtp://h"', "`sender` and `to`"),
        ('kind = "pigeon"\nurl = "http://h"', "pigeon"),
        ('kind = "webhook"\nurl = "http://h"\ntoken = "secret"', "token"),
    ],
)
def test_a_route_that_cannot_work_is_refused(tmp_path: Path, route: str, told: str) -> None:
    (tmp_path / "windlass.toml").write_text(f"[alerts.ops]\n{route}\n")
    with pytest.raises(SettingsError, match=told):
        load_settings(directory=tmp_path, environment={})


def test_a_variable_that_is_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="WINDLASS_ALERTS"):
        load_settings(directory=tmp_path, environment={"WINDLASS_ALERTS": "{"})
