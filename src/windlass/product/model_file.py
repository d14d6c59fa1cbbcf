"""A model that exists already."""

from __future__ import annotations

import msgspec


class ModelFile(msgspec.Struct, frozen=True):
    """A model file of the project, served as it is until the product can train its own.

    Loading a pickle or a joblib file runs code, so it is loaded only when `sha256` vouches for exactly this file;
    `windlass init --from-model FILE --trust` writes the digest, and it is reviewed like any other line.
    """

    path: str
    """Relative to the project."""
    sha256: str | None = None
    """The digest of the file that somebody trusts; needed only for formats that can run code."""
    rows: str | None = None
    """A .parquet or .csv file of rows as requests bring them, relative to the project: a compiled form of the model is
    compared with it on them, and answers are explained against them. None: the one on what it will have been asked, the
    other not, if the model cannot do so itself."""
