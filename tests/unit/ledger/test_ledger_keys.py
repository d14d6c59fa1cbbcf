"""The keys that checkpoints are signed with: made, found, refused, replaced, lost."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_public_key,
)

from windlass.errors import LeaseLost, SigningError
from windlass.ledger.checkpoints import content
from windlass.ledger.keys import Keys, SigningKey, id_of_file, key_id, signature_holds
from windlass.ledger.ledger import Ledger
from windlass.ledger.notary import Notary
from windlass.records.event import KeyRotated, RunLogged
from windlass.records.lease import Fence
from windlass.records.paths import Paths

AT = datetime(2013, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "workspace").mkdir()
    return Paths(tmp_path / "workspace")


@pytest.fixture
def notary(ledger: Ledger, paths: Paths) -> Notary:
    ledger.append(RunLogged(run="run-1"), at=AT, actor="ann")
    return Notary(ledger, paths)


def sign(notary: Notary) -> str:
    return notary.sign(at=AT, actor="ann").key


def test_the_first_signature_makes_the_key_and_tells_of_it(notary: Notary, ledger: Ledger, paths: Paths) -> None:
    assert ledger.key() is None
    checkpoint = notary.sign(at=AT, actor="ann")

    (event,) = ledger.events((KeyRotated,))
    assert isinstance(event.body, KeyRotated)
    assert (event.body.key, event.body.previous, event.actor) == (checkpoint.key, None, "ann")
    assert (checkpoint.number, checkpoint.sequence, checkpoint.hash) == (1, event.sequence, event.hash)
    assert signature_holds(bytes.fromhex(event.body.public), content(checkpoint), checkpoint.signature)
    private, public = sorted(paths.keys.iterdir())
    assert (private.name, public.name) == (f"{checkpoint.key}.pem", f"{checkpoint.key}.pub")
    assert private.stat().st_mode & 0o777 == 0o600
    assert paths.keys.stat().st_mode & 0o777 == 0o700
    assert id_of_file(public) == checkpoint.key
    assert notary.verify().ok


def test_without_news_there_is_no_other_signature(notary: Notary, ledger: Ledger) -> None:
    first = notary.sign(at=AT, actor="ann")
    assert notary.sign(at=AT, actor="ann") == first
    ledger.append(RunLogged(run="run-2"), at=AT, actor="ann")
    second = notary.sign(at=AT, actor="ann")
    assert (second.number, second.sequence) == (2, first.sequence + 1)
    assert notary.verify().checkpoints == 2


def test_a_signature_can_be_checked_without_windlass(notary: Notary, paths: Paths) -> None:
    """With the public file alone."""
    checkpoint = notary.sign(at=AT, actor="ann")
    signed = (
        f'["windlass.checkpoint.1",1,{checkpoint.sequence},"{checkpoint.hash}",'
        f'"2013-03-01T12:00:00.000000Z","{checkpoint.key}"]'
    )
    public: Any = load_pem_public_key((paths.keys / f"{checkpoint.key}.pub").read_bytes())
    public.verify(bytes.fromhex(checkpoint.signature), signed.encode())
    with pytest.raises(InvalidSignature):
        public.verify(bytes.fromhex(checkpoint.signature), signed.replace(",1,", ",2,").encode())


def test_a_lost_lease_signs_nothing(notary: Notary, ledger: Ledger, paths: Paths) -> None:
    with pytest.raises(LeaseLost):
        notary.sign(at=AT, actor="controller", fence=Fence(holder="one", token=7))
    assert ledger.key() is None
    assert not paths.checkpoint.exists()


# -- files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_private_key_that_others_may_read_is_refused(notary: Notary, paths: Paths, mode: int) -> None:
    path = paths.keys / f"{sign(notary)}.pem"
    path.chmod(mode)
    with pytest.raises(SigningError, match=rf"others may read this private key \(mode {mode:04o}\)[\s\S]*chmod 600"):
        sign(notary)
    path.chmod(0o400)
    sign(notary)


def test_a_missing_key_is_told_and_the_ledger_goes_on(notary: Notary, ledger: Ledger, paths: Paths) -> None:
    path = paths.keys / f"{sign(notary)}.pem"
    path.rename(path.with_suffix(".away"))
    ledger.append(RunLogged(run="run-2"), at=AT, actor="ann")
    with pytest.raises(SigningError, match=r"cannot be read[\s\S]*rotate-key --lost"):
        sign(notary)
    assert notary.verify().ok
    path.with_suffix(".away").rename(path)
    sign(notary)
    assert notary.verify().signed_upto == ledger.head()


@pytest.mark.parametrize("held", [b"", b"nonsense", SigningKey.generate().public_pem()])
def test_what_is_no_private_key_is_refused(notary: Notary, paths: Paths, held: bytes) -> None:
    (paths.keys / f"{sign(notary)}.pem").write_bytes(held)
    with pytest.raises(SigningError, match="no private key that can be used"):
        sign(notary)


def test_a_key_of_another_kind_is_refused(notary: Notary, paths: Paths) -> None:
    other = generate_private_key(SECP256R1())
    (paths.keys / f"{sign(notary)}.pem").write_bytes(
        other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with pytest.raises(SigningError, match="a key of another kind"):
        sign(notary)
    (paths.keys / "other.pub").write_bytes(
        other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(SigningError, match="no ed25519 public key"):
        notary.verify()


def test_a_key_is_never_written_over(paths: Paths, tmp_path: Path) -> None:
    keys, file = Keys(paths.keys), tmp_path / "key.pem"
    file.write_text("mine")
    with pytest.raises(SigningError, match="cannot be written: File exists"):
        keys.make(file)
    assert file.read_text() == "mine"


def test_a_key_may_lie_elsewhere(ledger: Ledger, paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "secret.pem"
    notary = Notary(ledger, paths, signing_key=file)
    with pytest.raises(SigningError, match="cannot be read"):
        sign(notary)
    key = SigningKey.generate()
    file.write_bytes(key.private_pem())
    file.chmod(0o600)

    assert sign(notary) == key.id == key_id(key.public)
    assert [path.name for path in paths.keys.iterdir()] == [f"{key.id}.pub"]
    assert notary.verify().ok


def test_another_key_than_the_ledgers_is_refused(notary: Notary, ledger: Ledger, paths: Paths, tmp_path: Path) -> None:
    known, other = sign(notary), SigningKey.generate()
    file = tmp_path / "secret.pem"
    file.write_bytes(other.private_pem())
    file.chmod(0o600)
    with pytest.raises(SigningError, match=f"this key is {other.id}, and the ledger is signed by {known}"):
        sign(Notary(ledger, paths, signing_key=file))


# -- replaced ----------------------------------------------------------------------------------------------------


def test_a_replaced_key_is_vouched_for_by_the_one_before(notary: Notary, ledger: Ledger, paths: Paths) -> None:
    first = sign(notary)
    second = notary.rotate(at=AT, actor="ann", reason="once a year").key
    ledger.append(RunLogged(run="run-2"), at=AT, actor="ann")
    third = notary.rotate(at=AT, actor="ann", reason="again").key

    assert len({first, second, third}) == 3
    assert sorted(path.name for path in paths.keys.iterdir()) == sorted(
        [f"{first}.pub", f"{second}.pub", f"{third}.pub", f"{third}.pem"]
    )
    found = notary.verify()
    assert (found.ok, found.key, found.signed_upto) == (True, third, ledger.head())
    assert notary.verify(trusted=[first]).ok  # whoever noted the first one need not hear of the others
    assert notary.verify(trusted=[third]).ok
    bodies = [event.body for event in ledger.events((KeyRotated,))]
    assert [(body.previous, body.reason) for body in bodies if isinstance(body, KeyRotated)] == [
        (None, "the first key"),
        (first, "once a year"),
        (second, "again"),
    ]


def test_a_lost_key_is_replaced_on_the_word_of_the_workspace_alone(notary: Notary, paths: Paths) -> None:
    first = sign(notary)
    (paths.keys / f"{first}.pem").unlink()
    with pytest.raises(SigningError, match="rotate-key --lost"):
        notary.rotate(at=AT, actor="ann", reason="the disk died")
    second = notary.rotate(at=AT, actor="ann", reason="the disk died", lost=True).key

    assert notary.verify().ok
    assert notary.verify(trusted=[second]).ok
    assert "no trusted key vouches for it" in str(notary.verify(trusted=[first]).problems)


def test_a_key_elsewhere_is_replaced_by_one_elsewhere(ledger: Ledger, paths: Paths, tmp_path: Path) -> None:
    old, new = tmp_path / "old.pem", tmp_path / "new.pem"
    Keys(tmp_path / "aside").make(old)
    notary = Notary(ledger, paths, signing_key=old)
    sign(notary)
    with pytest.raises(SigningError, match="needs a file there too"):
        notary.rotate(at=AT, actor="ann", reason="moved")
    key = notary.rotate(at=AT, actor="ann", reason="moved", file=new).key

    assert old.exists()  # it is the team's, not ours to delete
    assert list(paths.keys.glob("*.pem")) == []
    assert Notary(ledger, paths, signing_key=new).sign(at=AT, actor="ann").key == key
    with pytest.raises(SigningError, match="and the ledger is signed by"):
        Notary(ledger, paths, signing_key=old).sign(at=AT, actor="ann")


def test_of_two_who_replace_the_key_at_once_one_does(notary: Notary, ledger: Ledger, paths: Paths) -> None:
    first, keys = sign(notary), Keys(paths.keys)
    old = keys.load(first)
    changes = [
        KeyRotated(key=new.id, public=new.public.hex(), previous=first, reason="at once")
        for new in (keys.make(), keys.make())
    ]
    ledger.rotate_key(changes[0], old=old, at=AT, actor="ann")
    with pytest.raises(SigningError, match="replaced by somebody else"):
        ledger.rotate_key(changes[1], old=old, at=AT, actor="ben")
    known = ledger.key()
    assert known is not None
    assert known.key == changes[0].key
    assert notary.verify().ok


def test_there_is_nothing_to_replace_before_the_first(notary: Notary) -> None:
    with pytest.raises(SigningError, match="no key yet"):
        notary.rotate(at=AT, actor="ann", reason="why not")


def test_who_verifies_elsewhere_brings_the_key(notary: Notary, ledger: Ledger, paths: Paths, tmp_path: Path) -> None:
    """Another machine sees the database alone."""
    key = sign(notary)
    (tmp_path / "laptop").mkdir()
    there = Notary(ledger, Paths(tmp_path / "laptop"))
    assert "not trusted here" in str(there.verify().problems)
    copy = shutil.copy(paths.checkpoint, tmp_path / "noted.json")
    assert there.verify(trusted=[key], against=Path(copy)).ok
