"""Files of models that are kept, written over or uploaded only under a condition."""

from __future__ import annotations

from collections.abc import Iterator

from windlass.assessment.facts import Facts, Seen
from windlass.assessment.probes.judging import (
    ALLOWED,
    ANSWERING,
    RIVALS,
    Gate,
    asks_above,
    judges,
    judging_functions,
    of_two_models,
)
from windlass.assessment.reading.code import last_of
from windlass.assessment.records import Evidence
from windlass.assessment.words import is_metric, parts_of

_KEEPS = frozenset({"save", "persist", "export", "write"})


def gates_on_saving(facts: Facts) -> Iterator[Gate]:
    """A model that is kept only if a verdict allows it."""
    asked = judging_functions(facts)
    for place in facts.named(lambda name: _is_kept(last_of(name))) if asked else ():
        module, function, call = place
        for check in function.branches if not module.is_notebook else ():
            parts = {part for word in check.words for part in parts_of(word)}
            if check.line in call.guards and parts & ALLOWED and asks_above(check, function, asked):
                here = Evidence(path=module.path, line=check.line, why=f"{call.last} depends on this condition")
                sighting = facts.sight(place)
                yield Gate(Seen((here, *sighting.seen().evidence), by=sighting.by), rival=bool(parts & RIVALS))


_DUMPS = frozenset({"joblib.dump", "pickle.dump", "cloudpickle.dump", "torch.save", "shutil.copy", "shutil.copy2"})


def gates_on_replacing(facts: Facts) -> Iterator[Gate]:
    """A model that is written over the one in use only if it is better than that: by name, not the best of a search."""
    for place in facts.named(_DUMPS.__contains__):
        module, function, call = place
        for check in function.branches if not module.is_notebook else ():
            parts = {part for word in check.words for part in parts_of(word)}
            if check.line in call.guards and parts & ANSWERING and judges(check, function):
                here = Evidence(path=module.path, line=check.line, why=f"{call.last} depends on this condition")
                sighting = facts.sight(place)
                yield Gate(Seen((here, *sighting.seen().evidence), by=sighting.by), rival=True)


_UPLOADS = frozenset(
    {"upload_file", "upload_fileobj", "upload_blob", "upload_from_filename", "put_object", "fput_object"}
)


def gates_on_uploading(facts: Facts) -> Iterator[Gate]:
    """A model that comes to a shared store only if it is better than the one there, or good enough."""
    for place in facts.named(lambda name: last_of(name) in _UPLOADS):
        module, function, call = place
        said = (*call.values, call.on, function.name, *function.words.split("\n"))
        told = {part for word in said for part in parts_of(word)}
        for check in function.branches if told & {"model", "models"} and not module.is_notebook else ():
            parts = {part for word in check.words for part in parts_of(word)}
            rival = bool(parts & RIVALS) or of_two_models(check.words)
            bound = rival or set(check.numbers) - {0.0, 1.0}
            if check.line in call.guards and bound and judges(check, function):
                here = Evidence(path=module.path, line=check.line, why=f"{call.last} depends on this condition")
                sighting = facts.sight(place)
                yield Gate(Seen((here, *sighting.seen().evidence), by=sighting.by), rival=rival)


def gates_on_a_floor(facts: Facts) -> Iterator[Gate]:
    """A model that is kept only above a floor that is written down: `if recall > 0.65: save_model(model)`."""
    for place in facts.named(lambda name: _is_kept(last_of(name)) or name in _DUMPS):
        module, function, call = place
        for check in function.branches if not module.is_notebook else ():
            floor = set(check.numbers) - {0.0, 1.0}
            measured = [word for word in check.words if is_metric(word) and not parts_of(word) & _OF_TRAINING]
            again = any(check.line in each.guards and each.last in ("fit", "train") for each in function.calls)
            if check.line not in call.guards or again:
                continue  # a model that is bad leads to a search for another, and both are kept
            if check.orders and floor and measured and judges(check, function):
                here = Evidence(path=module.path, line=check.line, why=f"{call.last} depends on this condition")
                sighting = facts.sight(place)
                yield Gate(Seen((here, *sighting.seen().evidence), by=sighting.by), rival=False)


_OF_TRAINING = frozenset({"loss", "gain", "lift", "error", "train", "map"})


def _is_kept(name: str) -> bool:
    parts = parts_of(name)
    return bool(parts & _KEEPS and parts & {"model", "bundle", "champion"})
