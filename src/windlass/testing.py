"""What the tests of a product need: its class, and what Windlass itself asks of it before a run and a release.

`windlass init` writes tests with these. They are as public as what `import windlass` gives.
"""

from __future__ import annotations

from windlass.product.checks.declaration import check_declaration, check_rows
from windlass.product.checks.proof import prove_row_local
from windlass.product.code.loading import load_product

__all__ = ["check_declaration", "check_rows", "load_product", "prove_row_local"]
