"""Which points kill at which stage of a product's life: all there are, a few at a time."""

from __future__ import annotations

STEPS = ("extract", "pin", "check", "features", "train", "evaluate", "gate", "refit", "bundle")
MIGRATION = ("migration.before", "migration.inside", "migration.after")
TAKEOVER = ("takeover.leased", "takeover.begun", "takeover.renewed", "takeover.retired", "takeover.claimed")
SEGMENT = ("segment.read", "segment.answers", "segment.labels", "segment.settled", "segment.deleted")
LAKE = ("lake.staged", "lake.placed", "lake.before", "lake.after", "lake.exchange.before", "lake.exchange.after")
BUNDLE = ("registry.staged", "registry.placed")
ROUTING = ("routing.staged", "routing.placed")


def steps(*moments: str, of: tuple[str, ...] = STEPS) -> tuple[str, ...]:
    return tuple(f"step.{step}.{moment}" for step in of for moment in moments)


def written(*kinds: str) -> tuple[str, ...]:
    """Before an event is written, in the transaction, and after it."""
    return tuple(f"{kind}.{moment}" for kind in kinds for moment in ("before", "inside", "after"))


# What is armed in the first run of a product, in its second, and when a person goes back to the first version; each
# point in one story. A run that is killed more than eight times in a row waits until its data is a day old, and begins
# anew: so each has few.
STORIES = {
    "stores": (
        (
            *(*MIGRATION, *TAKEOVER, *SEGMENT, *ROUTING, *LAKE[:2]),
            *written("controller.started", "product.declared", "run.started"),
            *steps("before", of=STEPS[:5]),
        ),
        (*BUNDLE, *written("version.registered"), *LAKE[2:4], *steps("before", of=STEPS[5:7])),
        (*written("champion.changed"), *LAKE[4:]),
    ),
    "inside": (
        steps("staged", of=STEPS[:7]),
        (*steps("staged", "before", of=STEPS[7:]), *steps("placed", of=STEPS[:4]), *written("release.started")),
        written("command.finished"),
    ),
    "after": (
        steps("placed", of=STEPS[4:]) + steps("after", of=STEPS[:3]),
        steps("after", of=STEPS[3:]),
        (),
    ),
}


# What the database has a part in, by one of each kind: an event is written in the same way whatever it tells.
# `bench/soak.py` draws from all points on either, and kills at each with `--every-point`.
ON_POSTGRES = (
    (*MIGRATION, *TAKEOVER[:1], *TAKEOVER[4:], *SEGMENT[1:4:2], "run.started.inside", *steps("staged", of=STEPS[4:5])),
    (*written("version.registered"), *steps("before", "after", of=("gate",))),
    ("champion.changed.inside", "champion.changed.after", *ROUTING[1:]),
)
