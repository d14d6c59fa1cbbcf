"""How often a version that does no harm may come to grief: from its first row in shadow to the end of its probation.

One budget, shared out here: each test of each stage holds at all its looks together and takes its part, so that by the
union bound all of them take no more than the whole. What is a rule and no test (`docs/explanation/decisions.md` has
the list) takes none.
"""

from __future__ import annotations

WHOLE = 0.01
"""Of releases."""
BEFORE_PROMOTION = 0.005
"""Shadow and canary: in equal parts to each stage, and within it to each harm (`release.alpha_of`)."""
OUTCOMES = 0.0039
"""On probation, for being worse on outcomes: most of it, since that takes the most rows."""
FAILING = 0.0004
"""For failing too often, half of it on what is held to be the rate of the one before: in two equal parts, while it
answered and with what it does in shadow."""
FAILING_OFTEN = 0.00015
"""For failing more often than the one before, stretch after stretch."""
SAME = 0.00005
"""For giving the same answer to everybody."""
SLOW = 0.0004
"""For being slow."""
CRASHING = 0.0001
"""From shadow to the end of probation, for processes that crash: what machines do to them is rare."""
PROBATION = (OUTCOMES, FAILING, FAILING_OFTEN, SAME, SLOW, CRASHING)
