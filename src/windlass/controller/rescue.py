"""What to do when the files of the champion are damaged, or gone."""

from __future__ import annotations

from windlass.controller.context import LoopContext, policies_of
from windlass.controller.incidents import Incidents
from windlass.controller.pace import Pace
from windlass.controller.releases import Refused
from windlass.errors import RegistryError
from windlass.records.event import Body
from windlass.records.ids import new_id
from windlass.records.state import ProductState, VersionState
from windlass.release import director
from windlass.release.succession import succession

_DAMAGED = "damaged bundle of champion "
_AGAIN = 3600.0  # seconds of real time between two looks at all files of a champion that nobody complains of


class Rescue:
    """Looks at the champion's files when this controller begins, every hour, and when a worker refuses to load them.

    A worker that has the champion in memory goes on answering with it, and so it stays: only when one cannot load it is
    the champion before put in its place, if that one's files are whole.
    """

    def __init__(self, *, context: LoopContext, incidents: Incidents, refused: Refused) -> None:
        """`refused` says why serving workers could not load a version."""
        self._context = context
        self._incidents = incidents
        self._refused = refused
        self._looked: dict[str, tuple[str, float]] = {}
        """Product -> the champion whose files were looked at, and when."""
        self._pace = Pace(context.real_time)

    def step(self, name: str) -> None:
        product = self._context.product(name)
        champion = product.champion
        if champion is None or product.declared is None:
            return
        refused = self._refused(name, champion.version) is not None
        known = [title.removeprefix(_DAMAGED) for title in self._incidents.titles(name) if title.startswith(_DAMAGED)]
        if self._pace.due(name) and (refused or known or self._due(name, champion.version)):
            with self._pace.spend(name):
                self._looked[name] = champion.version, self._context.real_time()
                self._look(product, champion, refused=refused)
                self._close(product, known)

    def _due(self, name: str, version: str) -> bool:
        looked_at, when = self._looked.get(name, ("", 0.0))
        return looked_at != version or self._context.real_time() - when >= _AGAIN

    def _look(self, product: ProductState, champion: VersionState, *, refused: bool) -> None:
        damage = self._damage(product, champion)
        if damage is not None:
            self._tell(product, champion, damage, successor=self._successor(product) if refused else None)

    def _close(self, product: ProductState, known: list[str]) -> None:
        """Those that are over: the files are whole again, or another version has been trained, which answers."""
        names = list(product.versions)
        for version in known:
            found, champion = product.versions.get(version), self._context.product(product.name).champion
            if champion is not None and found is not None and names.index(champion.version) > names.index(version):
                resolution = f"{champion.version} has come since, and answers"
            elif found is None or found.retired or self._damage(product, found) is None:
                resolution = "its files are whole again, or were removed by cleaning"
            else:
                continue
            self._incidents.close(product.name, title=_DAMAGED + version, resolution=resolution)

    def _damage(self, product: ProductState, version: VersionState) -> RegistryError | None:
        try:
            self._context.registry.verify(product.name, version.digest)
        except RegistryError as error:
            return error
        return None

    def _successor(self, product: ProductState) -> VersionState | None:
        """The last champion before this one whose files are whole."""
        line = [product.versions[name] for name in reversed(succession(product)[:-1])]
        whole = (each for each in line if not each.retired and self._damage(product, each) is None)
        return next(whole, None)

    def _tell(
        self, product: ProductState, champion: VersionState, damage: RegistryError, *, successor: VersionState | None
    ) -> None:
        """An incident, in one write with the change of the champion, if there is to be one."""
        now, title = self._context.now, _DAMAGED + champion.version
        changes: list[Body] = []
        answers, then = "workers that have it in memory go on answering", ""
        if successor is not None:
            answers = f"{successor.version}, the champion before, answers in its place"
            # What was told while it still answered from memory is not so any more.
            self._incidents.close(product.name, title=title, resolution=answers)
            then = f", then `windlass promote {champion.version}`"
            changes = director.install(
                product,
                successor,
                policies=policies_of(product),
                release=new_id("release", now),
                now=now,
                reason=f"workers cannot load {champion.version}: {damage.what}",
                probation=False,
            )
        self._incidents.open(
            product.name,
            title=title,
            cause=damage.discreet_fault,
            remedy=f"{answers}; look at the disk, and put the files back from a backup{then}",
            also=tuple(changes),
        )
