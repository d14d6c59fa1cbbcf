"""What a product declares, read once in the process for user code; the controller works from the record of it."""

from __future__ import annotations

import msgspec

from windlass.records.lease import Fence
from windlass.settings import Settings


class DeclareRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One product to be read."""

    settings: Settings
    product: str
    entry: str
    fence: Fence
