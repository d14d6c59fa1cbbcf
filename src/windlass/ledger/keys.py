"""The keys that checkpoints are signed with, as files.

    keys/<id>.pem    a private key: PKCS 8, mode 0600, this user's alone
    keys/<id>.pub    a public key that this workspace trusts; kept when the key is replaced

An id is the first 32 hexadecimal digits of the sha256 of the public key (32 bytes). A private key may lie elsewhere
(setting `signing_key`); its public one is kept here all the same. Both are plain PEM, which openssl reads.
"""

from __future__ import annotations

import contextlib
import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from windlass.errors import SigningError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_OTHERS = 0o077


class SigningKey:
    """A private key in memory."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()
        """32 bytes."""
        self.id = key_id(self.public)

    @classmethod
    def generate(cls) -> SigningKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    def sign(self, content: bytes) -> str:
        """The signature, 128 hexadecimal digits."""
        return self._private.sign(content).hex()

    def private_pem(self) -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def public_pem(self) -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_id(public: bytes) -> str:
    """What a public key of 32 bytes is called."""
    return sha256(public).hexdigest()[:32]


def signature_holds(public: bytes, content: bytes, signature: str) -> bool:
    """Whether the holder of the key signed `content`; False as well for a key or a signature that is none."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(signature), content)
    except (InvalidSignature, ValueError):
        return False
    return True


class Keys:
    """The keys of one workspace."""

    def __init__(self, folder: Path, *, elsewhere: Path | None = None) -> None:
        """`elsewhere`: the file of the private key, when it is not kept in `folder`."""
        self._folder = folder
        self._elsewhere = elsewhere

    def trusted(self) -> frozenset[str]:
        """The ids of the public keys that lie here; whoever may write to the folder says who is trusted."""
        return frozenset(self.public())

    def public(self) -> dict[str, bytes]:
        """The public keys that lie here, 32 bytes each, by their ids. Raises SigningError for a file that is none."""
        found = (_public(path) for path in sorted(self._folder.glob("*.pub")))
        return {key_id(raw): raw for raw in found}

    def holds(self, key: str, content: bytes, signature: str) -> bool:
        """Whether the key is trusted here and its holder signed `content`. Raises as `public`."""
        public = self.public().get(key)
        return public is not None and signature_holds(public, content, signature)

    def place(self, key: str) -> Path:
        """Where the private key is looked for."""
        return self._elsewhere or self._folder / f"{key}.pem"

    def load(self, key: str) -> SigningKey:
        """The private key called `key`, whose public one is kept here too, if somebody has removed it.

        Raises SigningError when it is missing, another one, or not kept secret.
        """
        path = self.place(key)
        found = _read(path)
        if found.id != key:
            raise SigningError(
                f"this key is {found.id}, and the ledger is signed by {key}",
                where=str(path),
                remedy="set `signing_key` to the right file, or replace the key: "
                "`windlass ledger rotate-key --reason WHY`",
            )
        self._trust(found)
        return found

    def first(self) -> SigningKey:
        """The key to begin with: the one that the setting names, else a new one in the folder."""
        if self._elsewhere is None:
            return self.make()
        found = _read(self._elsewhere)
        self._trust(found)
        return found

    def make(self, file: Path | None = None) -> SigningKey:
        """A new private key, synced, in the folder or in `file`, which must not exist; its public key is trusted."""
        key = SigningKey.generate()
        self._make_folder()
        _write(file or self._folder / f"{key.id}.pem", key.private_pem(), mode=0o600)
        self._trust(key)
        return key

    def replacement(self, file: Path | None) -> SigningKey:
        """A new key beside the present one; where that lies elsewhere, the new one must be told its `file` too."""
        if self._elsewhere is not None and file is None:
            raise SigningError(
                "the key lies outside of the workspace, so the new one needs a file there too",
                where=str(self._elsewhere),
                remedy="name it with --to FILE, and set `signing_key` to it afterwards",
            )
        return self.make(file)

    def with_private(self, file: Path | None) -> Keys:
        """The same keys, with the private one in `file`, or in the folder."""
        return Keys(self._folder, elsewhere=file)

    def forget(self, key: str) -> None:
        """Delete the private key from the folder, once another has taken its place; its public key stays."""
        (self._folder / f"{key}.pem").unlink(missing_ok=True)

    def _trust(self, key: SigningKey) -> None:
        self._make_folder()
        path = self._folder / f"{key.id}.pub"
        if not path.exists():
            _write(path, key.public_pem(), mode=0o644)

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self._folder, error) from error


def id_of_file(path: Path) -> str:
    """The id of a public key in a PEM file. Raises SigningError for anything else."""
    return key_id(_public(path))


def _public(path: Path) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        found = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise _no_public_key(path, str(error)) from error
    if not isinstance(found, Ed25519PublicKey):
        raise _no_public_key(path, "it is of another kind")
    return found.public_bytes_raw()


def _no_public_key(path: Path, why: str) -> SigningError:
    return SigningError(
        f"this is no ed25519 public key that can be read: {why}",
        where=str(path),
        remedy="give the .pub file from the workspace's `keys`",
    )


def _read(path: Path) -> SigningKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    remedy = "put the key back from its backup; if it is lost, `windlass ledger rotate-key --lost --reason WHY`"
    try:
        about = path.stat()
        # As ssh does: what others own (a secret mounted into a container) is for them to guard.
        if about.st_uid == os.getuid() and about.st_mode & _OTHERS:
            raise SigningError(
                f"others may read this private key (mode {about.st_mode & 0o777:04o})",
                where=str(path),
                remedy=f"chmod 600 {path}; if others have had access, replace it: `windlass ledger rotate-key`",
            )
        content = path.read_bytes()
    except OSError as error:
        what = f"the signing key cannot be read: {error.strerror}"
        raise SigningError(what, where=str(path), remedy=remedy) from error
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        what = f"this is no private key that can be used: {error}"
        raise SigningError(what, where=str(path), remedy=remedy) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError(
            "this is a key of another kind",
            where=str(path),
            remedy="make one with `openssl genpkey -algorithm ed25519`",
        )
    return SigningKey(key)


def _write(path: Path, content: bytes, *, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            os.write(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(FileNotFoundError):
            if not isinstance(error, FileExistsError):
                path.unlink()  # half a key is worse than none
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> SigningError:
    return SigningError(
        f"the key cannot be written: {error.strerror}",
        where=str(path),
        remedy="check the rights and the room on the disk; a file that is there already is never replaced",
    )
