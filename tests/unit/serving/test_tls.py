"""Certificates: what cannot be used is told with its remedy, and what was renewed is taken."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import pytest

from windlass.errors import SettingsError, UsageError
from windlass.serving.supervisor import Server
from windlass.serving.transport.tls import Certificate, certificate_of
from windlass.settings import Settings

from ...certificates import self_signed  # type: ignore[import-not-found]


@pytest.mark.parametrize(("given", "missing"), [("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")])
def test_one_without_the_other_is_refused(given: str, missing: str) -> None:
    with pytest.raises(SettingsError, match=f"`{missing}` is not set") as caught:
        Server(msgspec.structs.replace(Settings(), **{given: "a.pem"}))
    assert caught.value.remedy


def test_files_are_looked_for_in_the_project(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "shop")
    settings = Settings(project=tmp_path, tls_certificate=certificate.name, tls_key=key.name)
    found = certificate_of(settings)
    assert found is not None
    assert found.files == (certificate, key)
    assert Server(settings).url.startswith("https://")
    assert certificate_of(Settings()) is None


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "shop")
    _, other = self_signed(tmp_path, "other")
    _, hidden = self_signed(tmp_path, "hidden", password=b"secret")
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("hello")
    for files, said in [
        ((tmp_path / "none.pem", key), "the certificate cannot be read: No such file or directory"),
        ((certificate, tmp_path), "the key cannot be read: Is a directory"),
        ((certificate, other), "certificate and key cannot be used: key values mismatch"),
        ((nonsense, key), "certificate and key cannot be used"),
        ((certificate, nonsense), "certificate and key cannot be used"),
        ((certificate, hidden), "the private key has a password"),
    ]:
        with pytest.raises(UsageError, match=said) as caught:
            Certificate(*files)
        assert caught.value.remedy
        assert caught.value.where


def test_half_of_a_renewal_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificate, key = self_signed(tmp_path, "shop")
    newer, its_key = self_signed(tmp_path, "newer")
    shown = Certificate(certificate, key)
    before = shown._pair
    newer.replace(certificate)
    with caplog.at_level(logging.WARNING):
        shown.look()
        shown.look()
    assert shown._pair is before
    assert len(caplog.records) == 1  # not at every look
    its_key.replace(key)
    shown.look()
    assert shown._pair == (key.read_bytes(), certificate.read_bytes())
