"""Watching data and models. On its own: `profile` and `drift`, for frames, arrays and files; `losses` and `decay`, for
whether a model has become worse; `learn_estimator`, for how good it is before labels come."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from windlass.monitoring.decaying import DecayReport, decay, losses
    from windlass.monitoring.estimating import Estimate, PerformanceEstimator, learn_estimator
    from windlass.monitoring.explaining import Explanation, Labelled, explain
    from windlass.monitoring.profiles import Profile, merge, profile, profile_like
    from windlass.monitoring.report import Comparison, DriftReport, drift
    from windlass.monitoring.saved import load_profile, load_state, save_profile, save_state
    from windlass.monitoring.scanning import scan_parquet

__all__ = [
    "Comparison",
    "DecayReport",
    "DriftReport",
    "Estimate",
    "Explanation",
    "Labelled",
    "PerformanceEstimator",
    "Profile",
    "decay",
    "drift",
    "explain",
    "learn_estimator",
    "load_profile",
    "load_state",
    "losses",
    "merge",
    "profile",
    "profile_like",
    "save_profile",
    "save_state",
    "scan_parquet",
]

_HOME = {
    **dict.fromkeys(("DecayReport", "decay", "losses"), "windlass.monitoring.decaying"),
    **dict.fromkeys(("Explanation", "Labelled", "explain"), "windlass.monitoring.explaining"),
    **dict.fromkeys(("Estimate", "PerformanceEstimator", "learn_estimator"), "windlass.monitoring.estimating"),
    **dict.fromkeys(("Profile", "merge", "profile", "profile_like"), "windlass.monitoring.profiles"),
    **dict.fromkeys(("Comparison", "DriftReport", "drift"), "windlass.monitoring.report"),
    **dict.fromkeys(("load_profile", "load_state", "save_profile", "save_state"), "windlass.monitoring.saved"),
    "scan_parquet": "windlass.monitoring.scanning",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'windlass.monitoring' has no attribute {name!r}")
