"""Who may ask the server for what."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Scope = Literal["predict", "observe", "operate", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "wl_"
"""What every secret begins with, so that whoever finds one in a file knows what it is."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that somebody was given; what is kept of it does not tell it."""

    token: str
    """Its name, for lists and for taking it back."""
    holder: str
    """Who was given it."""
    scopes: tuple[Scope, ...]
    digest: str
    """sha256 of the secret. That has 256 random bits, which nobody can try out, so no slow hash is needed."""


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """Those in force, as serving workers read them: a copy of what the ledger says."""

    tokens: tuple[Token, ...] = ()
