"""Hooks of pre-commit that a project declares itself: what they run when CI runs them."""

from __future__ import annotations

from windlass.assessment.automation.workflow import mapping, maps, text_of, words
from windlass.assessment.reach.asked import Asked, Leads
from windlass.assessment.reading.shell import Command, read_shell

_HOOK_STAGES = frozenset({"commit", "pre-commit", "manual"})


def run_hooks(asked: Asked) -> Leads:
    """`pre-commit run`: the hooks that the project declares itself, such as its tests."""
    if "run" not in asked.argv[1:3]:
        return Leads()
    named = {word for word in asked.argv[2:] if not word.startswith("-")}
    found: list[tuple[str, Command]] = []
    for path in asked.project.named(".pre-commit-config.yaml"):
        for document in asked.project.yaml(path)[:1]:
            hooks = [
                hook
                for repo in maps(mapping(document).get("repos"))
                if text_of(repo.get("repo")) == "local"
                for hook in maps(repo.get("hooks"))
            ]
            for hook in hooks:
                name, stages = text_of(hook.get("id")), set(words(hook.get("stages")))
                if name in named or (not named & {text_of(each.get("id")) for each in hooks} and _now(asked, stages)):
                    text = " ".join((text_of(hook.get("entry")), *words(hook.get("args"))))
                    found += [(path, each) for each in read_shell(text, hook.line_of("entry"))]
    return Leads(commands=tuple(found))


def _now(asked: Asked, stages: set[str]) -> bool:
    """Whether a hook with these stages runs: those of a commit, unless another stage is asked for."""
    asked_for = {word for word in asked.argv if word in ("pre-push", "push", "commit-msg", "manual", "merge-commit")}
    return not stages or bool(stages & (asked_for or _HOOK_STAGES - {"manual"}))
