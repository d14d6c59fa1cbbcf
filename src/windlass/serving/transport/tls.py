"""What a server proves itself with: a certificate and its key, over HTTP and gRPC alike."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

from windlass.errors import SettingsError, UsageError
from windlass.serving.stamps import Stamp, stamp_of
from windlass.settings import Settings

_log = logging.getLogger(__name__)


class Certificate:
    """A certificate, with what stands between it and its root, and the private key of it, both in PEM.

    Certificates are renewed every few weeks: `look` takes what the files hold by then, for connections that come after
    it. Raises UsageError when they cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._seen = self._stamps()
        self._pair = self._read()
        self._told: object = None
        """What was told to gRPC last."""

    @property
    def files(self) -> tuple[Path, Path]:
        """Where certificate and key lie."""
        return self._certificate, self._key

    def look(self) -> None:
        """Take the files if they were replaced. Those that do not fit (one of them is newer, say) change nothing."""
        seen = self._stamps()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._pair = self._read()
        except UsageError as error:
            _log.warning("the certificate before goes on being shown: %s", error)

    def for_grpc(self) -> Any:
        """The same as credentials of a gRPC server, which asks for what is new with each connection."""
        import grpc

        def configured() -> Any:
            return grpc.ssl_server_certificate_configuration([self._pair])

        def renewed() -> Any:
            if self._told is self._pair:
                return None
            self._told = self._pair
            return configured()

        self._told = self._pair
        return grpc.dynamic_ssl_server_credentials(configured(), renewed)

    def _stamps(self) -> tuple[Stamp, ...]:
        try:
            return tuple(map(stamp_of, self.files))
        except OSError:
            return ()

    def _read(self) -> tuple[bytes, bytes]:
        """Key and certificate, taken into the context once they are known to belong together."""
        key, certificate = (
            _bytes_of(path, name) for path, name in ((self._key, "key"), (self._certificate, "certificate"))
        )
        for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
            try:
                context.load_cert_chain(self._certificate, self._key, password=_no_password)
            except (ssl.SSLError, OSError) as error:
                raise UsageError(
                    f"certificate and key cannot be used: {_told(error)}",
                    where=f"settings `tls_certificate` ({self._certificate}) and `tls_key` ({self._key})",
                    remedy="both must be PEM, and the key be that of the first certificate in the file",
                ) from error
        return key, certificate


def certificate_of(settings: Settings) -> Certificate | None:
    """What the settings name; None: nothing. Raises SettingsError for one without the other, and UsageError."""
    given = settings.tls_certificate, settings.tls_key
    if not any(given):
        return None
    if not all(given):
        missing, other = ("tls_key", "tls_certificate") if given[0] else ("tls_certificate", "tls_key")
        raise SettingsError(f"`{missing}` is not set", where=f"setting `{other}`", remedy="TLS takes both, or neither")
    certificate, key = (settings.project / path for path in given)
    return Certificate(certificate, key)


def _bytes_of(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the {name} cannot be read: {error.strerror}",
            where=str(path),
            remedy=f"set `tls_{name}` to a PEM file that this user can read",
        ) from error


def _no_password() -> str:
    """The library would ask for it on the terminal."""
    raise UsageError(
        "the private key has a password, which nobody could give when a worker is replaced",
        where="setting `tls_key`",
        remedy="take the password away (openssl pkey -in FILE -out NEW) and let only this user read the file",
    )


def _told(error: OSError) -> str:
    """OpenSSL's own word for it, without the place in its source."""
    reason = getattr(error, "reason", None)
    return str(reason).lower().replace("_", " ") if reason else str(error.strerror or error)
