"""What a product declares, read once in the process for user code; the controller works from the record of it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import msgspec

from windlass.clock import clock_from
from windlass.decisions.metrics import NAMES
from windlass.errors import ProductError, UntrustedModel
from windlass.ledger.ledger import Ledger
from windlass.ledger.projection import EMPTY, STATE_KINDS, fold
from windlass.product.declaration import check_declaration
from windlass.product.loading import load_product
from windlass.product.policy import to_plain
from windlass.product.product import Product
from windlass.product.source import read_source
from windlass.records.bundle import Manifest
from windlass.records.event import ProductDeclared, VersionRegistered
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.records.state import ProductState
from windlass.settings import Settings


class DeclareRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One product to be read."""

    settings: Settings
    ledger: str
    """Database URL."""
    product: str
    entry: str
    fence: Fence
