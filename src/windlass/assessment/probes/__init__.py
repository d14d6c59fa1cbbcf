"""One function for each practice that files can show: `@probe("practice-id")`. A file holds a family of them.

Every module of this package is taken in, so that a new file is all that a new probe needs:
docs/how-to/add-a-practice.md.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from windlass.assessment.probes.probe import PROBES

__all__ = ["PROBES"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
