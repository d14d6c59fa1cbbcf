"""What to do when the champion cannot be loaded: its files are damaged or gone, or something else keeps it out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from windlass.controller.context import LoopContext, policies_of
from windlass.controller.incidents import Incidents
from windlass.controller.load_trials import LoadTrials, Trial
from windlass.controller.releases import Refused
from windlass.engines.job import Job
from windlass.engines.local import LocalEngine
from windlass.errors import RegistryError
from windlass.records.event import Body
from windlass.records.ids import new_id
from windlass.records.state import ProductState, VersionState
from windlass.release import director
from windlass.release.succession import succession

_DAMAGED = "damaged bundle of champion "
_OUT = "nothing loads champion "
_CANNOT = "workers cannot load "
_FROM_MEMORY = "workers that have it in memory go on answering"
_AGAIN = 3600.0  # seconds of real time between two looks at all files of a champion that nobody complains of


class Rescue:
    """Looks at the champion's files when this controller begins, every hour, and when a worker refuses to load them.

    A worker that has the champion in memory goes on answering with it, and so it stays: only when one cannot load it is
    the champion before put in its place. Of damaged files that is the last one whose files are whole. Where the files
    are whole it is the last one that a process which has just begun can load, if that cannot load the champion either.
    When there is none, the version in shadow or canary answers: beside nobody it would wait for ever.
    """

    def __init__(
        self,
        *,
        context: LoopContext,
        incidents: Incidents,
        refused: Refused,
        serves: Callable[[str, str], bool],
        engine: LocalEngine,
    ) -> None:
        """`refused` says why serving workers could not load a version; `serves`, whether any has it loaded."""
        self._context = context
        self._incidents = incidents
        self._refused = refused
        self._serves = serves
        self._trials = LoadTrials(context=context, engine=engine)
        self._looked: dict[str, tuple[str, float]] = {}
        """Product -> the champion whose files were looked at, and when."""
        self._pace = context.pace()

    @property
    def jobs(self) -> tuple[Job, ...]:
        """What an engine does for it now."""
        return self._trials.jobs

    def cancel(self) -> None:
        """Try to load nothing more."""
        self._trials.cancel()

    def step(self, name: str) -> None:
        product = self._context.product(name)
        champion = product.champion
        if champion is None or product.declared is None:
            return
        refused = self._refused(name, champion.version) is not None
        about = champion.version, refused
        known = [title for title in self._incidents.titles(name) if title.startswith((_DAMAGED, _OUT))]
        if self._pace.due(name, of=about) and (refused or known or self._due(name, champion.version)):
            with self._pace.spend(name, of=about):
                self._looked[name] = champion.version, self._context.real_time()
                self._look(product, champion, refused=refused)
                self._close(product, known)

    def _due(self, name: str, version: str) -> bool:
        looked_at, when = self._looked.get(name, ("", 0.0))
        return looked_at != version or self._context.real_time() - when >= _AGAIN

    def _look(self, product: ProductState, champion: VersionState, *, refused: bool) -> None:
        damage = self._damage(product, champion)
        if damage is not None:
            self._damaged(product, champion, damage, refused=refused)
        if damage is not None or not refused:
            self._trials.forget(product.name)
            return
        trial = self._trials.of(product, itertools.chain([champion], self._line(product)))
        if trial is not None and trial.refusals:
            self._out(product, champion, trial)

    def _close(self, product: ProductState, known: list[str]) -> None:
        """Those that are over: another version has been trained, which answers, or what was wrong is not any more."""
        names = list(product.versions)
        for title in known:
            version = title.removeprefix(_DAMAGED).removeprefix(_OUT)
            now = self._context.product(product.name)
            found, champion = product.versions.get(version), now.champion
            if (
                champion is not None
                and found is not None
                and names.index(champion.version) > names.index(version)
                and not _was_put_aside(now, version)
            ):
                resolution = f"{champion.version} has come since, and answers"
            elif title.startswith(_OUT):
                if champion is None or champion.version != version or not self._is_served(product.name, version):
                    continue
                resolution = f"{version} is served"
            elif found is None or found.retired or self._damage(product, found) is None:
                resolution = "its files are whole again, or were removed by cleaning"
            else:
                continue
            self._incidents.close(product.name, title=title, resolution=resolution)

    def _is_served(self, product: str, version: str) -> bool:
        """That nobody has refused it yet says nothing just after a start."""
        return self._serves(product, version) and self._refused(product, version) is None

    def _damage(self, product: ProductState, version: VersionState) -> RegistryError | None:
        try:
            self._context.registry.verify(product.name, version.digest)
        except RegistryError as error:
            return error
        return None

    def _line(self, product: ProductState) -> Iterator[VersionState]:
        """The champions before this one whose files are whole, the last one first; then the one under release, which
        passed the gate, unless a person has yet to agree."""
        names = list(reversed(succession(product)[:-1]))
        release = product.release
        if release is not None and release.stage in ("shadow", "canary"):
            names += [release.version] if release.approved_by or not release.plan.get("approval") else []
        found = (product.versions[name] for name in names)
        return (each for each in found if not each.retired and self._damage(product, each) is None)

    def _damaged(self, product: ProductState, champion: VersionState, damage: RegistryError, *, refused: bool) -> None:
        successor = next(self._line(product), None) if refused else None
        title, then = _DAMAGED + champion.version, ""
        changes: tuple[Body, ...] = ()
        answers = _FROM_MEMORY
        if successor is not None:
            then = f", then `windlass promote {champion.version}`"
            answers, changes = self._replace(product, champion, successor, title=title, why=damage.what)
        elif refused:
            answers = self._without(product, [champion], title=title)
        self._incidents.open(
            product.name,
            title=title,
            cause=damage.discreet_fault,
            remedy=f"{answers}; look at the disk, and put the files back from a backup{then}",
            also=changes,
        )

    def _out(self, product: ProductState, champion: VersionState, trial: Trial) -> None:
        """Its files are whole, and a process that has just begun could not load it either."""
        title, why = _OUT + champion.version, trial.refusals[0]
        changes: tuple[Body, ...] = ()
        look = "see what changed of Python and its libraries"
        if trial.loads is None:
            others = len(trial.refusals) - 1
            cause = f"{why}; none of the {others} before it can be loaded either" if others else why
            remedy = f"{self._without(product, trial.line, title=title)}; {look}"
        else:
            answers, changes = self._replace(product, champion, trial.loads, title=title, why=why)
            cause = why
            remedy = (
                f"{answers}; {look} (`windlass versions {champion.version}` says what it was made with), then "
                f"`windlass promote {champion.version}`, or train a new one"
            )
        self._incidents.open(product.name, title=title, cause=cause, remedy=remedy, also=changes)

    def _without(self, product: ProductState, cannot: list[VersionState], *, title: str) -> str:
        """Who answers where no version takes the champion's place unasked, and which one would if a person said so.

        `cannot`: the champion, then what cannot be loaded either.
        """
        if self._serves(product.name, cannot[0].version):
            answers = _FROM_MEMORY
        else:
            answers = "no worker has it, and callers are turned away (503)"
            # What was told before the workers had been heard is not so.
            if _FROM_MEMORY in self._incidents.remedy_of(product.name, title):
                self._incidents.close(product.name, title=title, resolution="no worker has it in memory")
        other = self._put_aside(product, {version.version for version in cannot})
        if other is None:
            return answers
        return (
            f"{answers}; the files of {other} are whole, and `windlass rollback {other}` has it answer (`windlass "
            "versions` says why it does not)"
        )

    def _put_aside(self, product: ProductState, cannot: set[str]) -> str | None:
        """The last one with whole files that does not answer unasked: taken back, withdrawn, or never released.

        One that has answered everybody comes before one that has not.
        """
        reigned = {past.version.version for past in product.previous_champions}
        others = [each for each in reversed(product.versions.values()) if each.version not in cannot]
        others.sort(key=lambda each: each.version not in reigned)
        whole = (each for each in others if not each.retired)
        return next((each.version for each in whole if self._damage(product, each) is None), None)

    def _replace(
        self, product: ProductState, champion: VersionState, successor: VersionState, *, title: str, why: str
    ) -> tuple[str, tuple[Body, ...]]:
        """Who answers, in words, and the change of the champion, to be written together with the incident."""
        now = self._context.now
        under_release = product.release is not None and product.release.version == successor.version
        who = "which has not been through all of its release" if under_release else "the champion before"
        answers = f"{successor.version}, {who}, answers in its place"
        # What was told while it still answered from memory is not so any more.
        self._incidents.close(product.name, title=title, resolution=answers)
        changes = director.install(
            product,
            successor,
            policies=policies_of(product),
            release=new_id("release", now),
            now=now,
            reason=f"{_CANNOT}{champion.version}: {why}",
            probation=False,
        )
        return answers, tuple(changes)


def _was_put_aside(product: ProductState, version: str) -> bool:
    """Whether the champion answers for no better reason than that nobody could load this one, the one before it."""
    past = product.previous_champions
    return bool(past) and past[-1].version.version == version and past[-1].reason.startswith(_CANNOT)
