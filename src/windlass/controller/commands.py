"""What people ask of the loop: each request is done or refused once, by the holder of the lease."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from windlass.controller.cleaning import Cleaning
from windlass.controller.context import LoopContext, policies_of
from windlass.controller.erasing import Erasing
from windlass.decisions.figures import show_moment
from windlass.errors import LedgerError, UsageError, WindlassError, discreet_fault_of
from windlass.records.event import Body, CommandFinished, ProductPaused, ProductResumed
from windlass.records.ids import new_id
from windlass.records.state import PendingCommand, ProductState, ReleaseState, VersionState
from windlass.release import director
from windlass.release import experiment as experiments
from windlass.release.succession import succession

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What comes of a request."""

    bodies: Sequence[Body] = ()
    """Written together with the request's end."""
    message: str
    then: Callable[[], None] = lambda: None
    """Done once that is written."""


Train = Callable[[PendingCommand], Answer]


class Commands:
    """Carries out what is pending; `train` starts a run. Without it, requests for runs wait for whoever has an engine.
    `busy`: whether a run is under way here, whose files must not be cleaned away.

    What a request changes and that it is done are one write, so it is done once whenever the process is killed. Of a
    run it is the beginning that is written: killed before anybody works on it, the next holder takes it up.
    """

    def __init__(
        self,
        *,
        context: LoopContext,
        train: Train | None = None,
        busy: Callable[[], bool] = lambda: False,
        cleaning: Cleaning | None = None,
    ) -> None:
        self._context = context
        self._train = train
        self._busy = busy
        self._cleaning = cleaning or Cleaning(context=context)
        self._erasing = Erasing(context=context)
        self._of_product: dict[str, Callable[[ProductState, PendingCommand], Answer]] = {
            "pause": self._pause,
            "resume": self._resume,
            "promote": self._promote,
            "approve": self._approve,
            "rollback": self._roll_back,
            "experiment": self._experiment,
            "stop": self._stop,
        }

    def handle(self) -> None:
        for pending in self._context.state.pending:
            self._context.keep()
            if pending.request.name == "train" and self._train is None:
                continue
            try:
                answer = self._answer(pending)
            except LedgerError:
                raise
            except WindlassError as error:
                self._finish(pending, done=False, message=str(error))
            except Exception as error:  # a request that breaks its handler must not break every holder after this one
                log.exception("the request %s failed", pending.request.command)
                self._finish(pending, done=False, message=f"it failed: {discreet_fault_of(error)}")
            else:
                if answer is None:
                    continue
                self._finish(pending, *answer.bodies, done=True, message=answer.message)
                answer.then()
                self._route(pending)
        if not self._busy():
            self._erasing.go_on()

    def _answer(self, pending: PendingCommand) -> Answer | None:
        """What comes of it; None when it has to wait for somebody."""
        request = pending.request
        if request.name == "clean":
            return self._clean()
        if request.name == "train" and self._train is not None:
            self._product(pending)
            return self._train(pending)
        if request.name == "erase":
            self._product(pending)
            return self._erase(pending)
        return self._of_product[request.name](self._product(pending), pending)

    def _pause(self, product: ProductState, pending: PendingCommand) -> Answer:
        paused = ProductPaused(reason=pending.request.reason)
        return Answer(bodies=[paused], message=f"{product.name} is paused; it goes on serving")

    def _resume(self, product: ProductState, pending: PendingCommand) -> Answer:
        if product.paused is None:
            raise UsageError(f"{product.name} is not paused", remedy="nothing is to be done")
        return Answer(bodies=[ProductResumed(reason=pending.request.reason)], message=f"{product.name} goes on")

    def _clean(self) -> Answer:
        if self._busy():
            raise UsageError("a run is under way, whose files are in use", remedy="ask again when it is done")
        return Answer(message="the workspace is clean", bodies=(self._cleaning.clean(),))

    def _erase(self, pending: PendingCommand) -> Answer | None:
        done = self._erasing.erase(pending, busy=self._busy())
        return None if done is None else Answer(bodies=[done.body], message=done.message, then=done.then)

    def _promote(self, product: ProductState, pending: PendingCommand) -> Answer:
        if pending.request.version is None:
            raise UsageError("which version?", remedy="name one: `windlass promote v3`")
        version = self._chosen(product, pending.request.version)
        return self._install(product, version, pending, probation=True)

    def _experiment(self, product: ProductState, pending: PendingCommand) -> Answer:
        plan = pending.request.experiment
        if plan is None:
            raise UsageError("what is to be tested?", remedy="`windlass experiment start v1 v2 --metric ...`")
        if product.experiment is not None:
            raise UsageError(
                f"{product.experiment.plan.b} is being tested already", remedy="see `windlass experiment show`"
            )
        if product.release is not None:
            raise _takes_second_place(product.release)
        if product.champion is None or product.champion.version != plan.a:
            answers = "nobody" if product.champion is None else product.champion.version
            raise UsageError(f"the first version must be the champion, and {answers} is", remedy="name it first")
        self._chosen(product, plan.b)
        name = new_id("experiment", self._context.now)
        bodies = experiments.begin(plan, experiment=name, by=pending.actor, reason=pending.request.reason)
        return Answer(bodies=bodies, message=f"{name}: {plan.b} answers {plan.split:.0%} of the keys beside {plan.a}")

    def _stop(self, product: ProductState, pending: PendingCommand) -> Answer:
        if product.experiment is None:
            raise UsageError(f"{product.name} has no A/B test under way", remedy="see `windlass experiment list`")
        bodies = experiments.stop(product.experiment, reason=_reason(pending), now=self._context.now)
        return Answer(bodies=bodies, message=f"the test is over; {product.experiment.plan.a} answers everyone")

    def _approve(self, product: ProductState, pending: PendingCommand) -> Answer:
        release, named = product.release, pending.request.version
        if release is None or release.stage == "probation":
            raise UsageError(f"{product.name} has no release that waits for anything", remedy="see `windlass status`")
        if named not in (None, release.version):
            raise UsageError(f"{named} is not being released; {release.version} is", remedy="see `windlass status`")
        if not release.plan.get("approval"):
            raise UsageError(
                f"the release of {release.version} needs no approval",
                remedy="`windlass promote` skips what is left of it; approval is asked for by Release(approval=True)",
            )
        if release.approved_by is not None:
            raise UsageError(
                f"{release.approved_by} approved {release.version} already", remedy="nothing is to be done"
            )
        bodies = director.approve(product, by=pending.actor, reason=pending.request.reason)
        return Answer(
            bodies=bodies, message=f"{release.version} is approved; it answers once nothing speaks against it"
        )

    def _roll_back(self, product: ProductState, pending: PendingCommand) -> Answer:
        """To the version named; else out of a release that has not been decided; else to the champion before."""
        named, release = pending.request.version, product.release
        if named is None and release is not None and release.stage != "probation":
            bodies = director.call_off(product, now=self._context.now, reason=_reason(pending))
            kept = "nobody" if product.champion is None else product.champion.version
            return Answer(bodies=bodies, message=f"{release.version} is withdrawn; {kept} goes on answering")
        version = self._chosen(product, named or before(product))
        return self._install(product, version, pending, probation=False)

    def _install(
        self, product: ProductState, version: VersionState, pending: PendingCommand, *, probation: bool
    ) -> Answer:
        bodies = director.install(
            product,
            version,
            policies=policies_of(product),
            release=new_id("release", self._context.now),
            now=self._context.now,
            reason=_reason(pending),
            probation=probation,
        )
        bodies = [*experiments.stop(product.experiment, reason=_reason(pending), now=self._context.now), *bodies]
        return Answer(bodies=bodies, message=f"{version.version} answers now")

    def _product(self, pending: PendingCommand) -> ProductState:
        """The product that the request is about; only a run may be the first that is heard of one."""
        name = pending.product
        if name is None:
            raise UsageError("the request names no product", remedy="name one with --product")
        product = self._context.product(name)
        if product.declared is None and pending.request.name != "train":
            known = ", ".join(sorted(self._context.state.products)) or "none"
            raise UsageError(f"there is no product {name!r} in this workspace", remedy=f"choose one of: {known}")
        return product

    def _chosen(self, product: ProductState, name: str) -> VersionState:
        version = product.versions.get(name)
        if version is None:
            known = ", ".join(product.versions) or "none"
            raise UsageError(f"{product.name} has no version {name!r}", remedy=f"choose one of: {known}")
        if product.champion is not None and product.champion.version == name:
            raise UsageError(f"{name} is the champion already", remedy="see `windlass versions`")
        if version.retired:
            raise UsageError(f"the bundle of {name} was removed by cleaning", remedy="see `windlass versions`")
        self._context.registry.verify(product.name, version.digest)  # one that fails its digests must not be chosen
        return version

    def _finish(self, pending: PendingCommand, *bodies: Body, done: bool, message: str) -> None:
        finished = CommandFinished(command=pending.request.command, done=done, message=message)
        self._context.record(*bodies, finished, product=pending.product)

    def _route(self, pending: PendingCommand) -> None:
        """Let the serving workers know at once: who asked may be gone before the next look."""
        if pending.product is None:
            return
        try:
            self._context.route(pending.product)
        except OSError:
            log.exception("%s: the routing record waits for the next look", pending.product)


def before(product: ProductState) -> str:
    """The champion to go back to. Raises UsageError when there is none."""
    line = succession(product)
    if len(line) < 2:
        others = [name for name, version in product.versions.items() if name not in line and not version.retired]
        named = f"name a version: `windlass rollback {others[-1]}`; " if others else ""
        raise UsageError(
            f"{product.name} has no earlier champion to go back to"
            + (" that was not taken back itself" if others else ""),
            remedy=f"{named}see `windlass versions`",
        )
    return line[-2]


def _reason(pending: PendingCommand) -> str:
    return f"{pending.actor} asked to {pending.request.name}: {pending.request.reason}"


def _takes_second_place(release: ReleaseState) -> UsageError:
    """Why no A/B test can start beside it, and until when."""
    if release.stage != "probation":
        return UsageError(
            f"{release.version} is being released ({release.stage}), and takes the second place",
            remedy="wait for its end, see `windlass status`",
        )
    until = show_moment(director.probation_ends(release))
    return UsageError(
        f"{release.version} is on probation until {until}, and {release.previous} answers beside it to be compared",
        remedy="start it then; how long the probation of later versions lasts is Release(probation=...) in the product",
    )
