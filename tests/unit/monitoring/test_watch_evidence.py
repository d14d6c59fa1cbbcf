from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from windlass.decisions.decay import DecayEvidence, decide_decay
from windlass.decisions.statistics.losses import losses
from windlass.errors import RegistryError
from windlass.monitoring.reference import Reference, load, make_reference, prediction_frame, save
from windlass.monitoring.watch import Watch
from windlass.records.decision import Decision

DAY = timedelta(days=1)


class World:
    """A stationary stream with a model of it, until it is told to change."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.made = 0

    def rows(
        self, count: int, *, shift: float = 0.0, flip: float = 0.0
    ) -> tuple[pl.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
        """Features, scores, truth, ids. `shift` moves an input, `flip` breaks the relation."""
        x = self.rng.normal(shift, 1, count)
        score = 1 / (1 + np.exp(-2 * x))
        truth = (self.rng.random(count) < np.where(self.rng.random(count) < flip, 1 - score, score)).astype(int)
        features = pl.DataFrame({"x": x, "s": self.rng.choice(["a", "b"], count)})
        ids = np.arange(self.made, self.made + count)
        self.made += count
        return features, score, truth, ids


@pytest.fixture
def world(rng: np.random.Generator) -> World:
    return World(rng)


@pytest.fixture
def reference(world: World) -> Reference:
    features, scores, truth, _ = world.rows(4000)
    return make_reference(features, kind="binary", predictions=scores[3000:], truth=truth[3000:])


def feed(watch: Watch, world: World, now: datetime, rows: int, **change: float) -> None:
    features, scores, truth, ids = world.rows(rows, **change)
    watch.observe(features, scores, ids, at=now)
    watch.mature(ids, truth)


def test_a_quiet_world_is_quiet(world: World, reference: Reference, now: datetime) -> None:
    watch = Watch(reference, window=1000)
    for _ in range(10):
        feed(watch, world, now, 1000)
        assert watch.drift(now).verdict == "quiet"
        assert watch.decay(now).verdict == "quiet"
    assert watch.drift(now).numbers["columns"] == 3  # x, s and the prediction
    assert len(watch.losses) == 10_000
    assert watch.pending == 0


def test_shifted_inputs_are_drift_and_not_decay(world: World, reference: Reference, now: datetime) -> None:
    watch = Watch(reference, window=1000)
    feed(watch, world, now, 1000)
    assert watch.drift(now).verdict == "quiet"
    feed(watch, world, now, 1000, shift=1.5)
    drift = watch.drift(now)
    assert drift.verdict == "alarm"
    assert set(str(drift.numbers["drifted_columns"]).split(", ")) == {"x", "prediction"}
    assert watch.decay(now).verdict == "quiet"


def test_a_broken_relation_is_decay_and_not_drift(world: World, reference: Reference, now: datetime) -> None:
    watch = Watch(reference, window=1000)
    feed(watch, world, now, 1000)
    feed(watch, world, now, 1000, flip=0.4)
    assert watch.drift(now).verdict == "quiet"
    decay = watch.decay(now)
    assert decay.verdict == "alarm"
    assert 800 < decay.numbers["recent_rows"] < 1200


def test_answers_that_become_unsure_are_warned_of_before_labels_come(
    world: World, reference: Reference, now: datetime
) -> None:
    watch, again = Watch(reference, window=1000), Watch(reference, window=1000)
    assert watch.warning(now).verdict == "wait"
    for rows in (1000, 1000):
        features, scores, _, ids = world.rows(rows)
        watch.observe(features, scores, ids, at=now)
        assert watch.warning(now).verdict == "quiet"
        again.observe(features, scores, ids, at=now)
    scores = world.rng.uniform(0.3, 0.7, 1500)
    for part in np.array_split(scores, 3):
        watch.observe(None, part, np.arange(10_000, 10_000 + len(part)), at=now)
    again.observe(None, scores, np.arange(10_000, 11_500), at=now)  # however they come in
    assert watch.warning(now).verdict == "alarm"
    assert watch.warning(now).numbers["answers"] == 3000  # of full windows
    assert again.warning(now) == watch.warning(now)
    assert watch.decay(now).verdict == "wait"


def answer(watch: Watch, scores: np.ndarray, rng: np.random.Generator, now: datetime) -> None:
    features = pl.DataFrame({"x": rng.normal(size=len(scores)), "s": rng.choice(["a", "b"], len(scores))})
    watch.observe(features, scores, np.arange(len(scores)), at=now)


def answered(watch: Watch, scores: np.ndarray, rng: np.random.Generator, now: datetime) -> Decision:
    answer(watch, scores, rng, now)
    return watch.drift(now)


def test_that_another_fit_answers_than_was_judged_is_no_drift_of_its_answers(
    reference: Reference, rng: np.random.Generator, now: datetime
) -> None:
    """The model is fitted again on all rows, so its scores spread otherwise, above all where rows repeat."""
    watch, atoms = Watch(reference, window=1000), np.array([0.11, 0.32, 0.58, 0.93])
    for _ in range(30):
        assert answered(watch, rng.choice(atoms, 1000), rng, now).verdict == "quiet"
    told = answered(watch, rng.choice(atoms, 1000, p=[0.1, 0.2, 0.3, 0.4]), rng, now)
    assert told.verdict == "alarm"
    assert "The prediction has shifted" in told.reasons[0]


def test_the_first_answers_are_the_measure_after_a_restart_too(
    reference: Reference, rng: np.random.Generator, now: datetime
) -> None:
    watch, windows = Watch(reference, window=1000), []
    for scores in (rng.uniform(0.4, 0.6, 1000), rng.uniform(0.4, 0.6, 1000), rng.uniform(0.45, 0.65, 1000)):
        answer(watch, scores, rng, now)
        windows.append(watch.end_window(now))
    assert watch.end_window(now) is None  # each row is judged once
    again = Watch(reference, window=1000)
    again.recall([window for window in windows if window is not None], now)
    told = watch.drift(now)
    assert again.drift(now) == told
    assert told.verdict == "alarm"


def test_drift_judges_each_row_once(world: World, reference: Reference, now: datetime) -> None:
    watch = Watch(reference, window=1000)
    feed(watch, world, now, 1000)
    assert watch.drift(now).verdict == "quiet"
    feed(watch, world, now, 999, shift=2.0)
    assert watch.drift(now).verdict == "quiet"
    feed(watch, world, now, 1, shift=2.0)
    alarm = watch.drift(now)
    assert alarm.verdict == "alarm"
    assert watch.drift(now + DAY) is alarm  # asked again without news: the same judgement, not a new one
    for verdict in ("alarm", "alarm", "quiet"):  # it took one window to raise, and stands for two more
        feed(watch, world, now, 1000)
        assert watch.drift(now + DAY).verdict == verdict


def test_outcomes_meet_their_predictions(reference: Reference, now: datetime) -> None:
    watch = Watch(reference)
    features = pl.DataFrame({"x": [0.0] * 4, "s": ["a"] * 4})
    watch.observe(features, np.array([0.1, 0.2, 0.3, 0.4]), ["p1", "p2", "p3", "p4"], at=now)
    assert watch.mature(["p3", "unknown"], np.array([1, 0])) == 1
    assert watch.mature(["p3"], np.array([0])) == 0  # settled already
    assert watch.mature(["p1", "p2", "p1"], np.array([0, 1, 1])) == 2  # the last word counts
    assert watch.mature([], np.array([])) == 0
    assert watch.pending == 1
    watch.mature(pl.Series(["p4"]), np.array([0]))
    watch.decay(now)
    assert watch.losses == pytest.approx([0.81, 0.64, 0.49, 0.16])  # in the order they were made in


def test_a_key_that_was_asked_twice_settles_both(reference: Reference, now: datetime) -> None:
    watch = Watch(reference)
    for score in (0.1, 0.9):
        watch.observe(pl.DataFrame({"x": [0.0], "s": ["a"]}), np.array([score]), [7], at=now)
    assert watch.mature([7], np.array([1])) == 2
    watch.decay(now)
    assert watch.losses == pytest.approx([0.81, 0.01])


def test_the_early_class_alone_does_not_count(world: World, reference: Reference, now: datetime) -> None:
    """Negatives are known at once, positives a week later: what came first would look like a collapse or a wonder."""
    watch = Watch(reference)
    features, _, truth, ids = world.rows(2000)
    scores = np.full(2000, 0.7)  # bad for negatives, good for positives
    watch.observe(features, scores, ids, at=now)
    early = truth == 0
    watch.mature(ids[early], truth[early])
    assert losses(truth[early], scores[early], "binary").mean() > 2 * reference.loss.mean  # type: ignore[union-attr]
    assert watch.decay(now).verdict == "wait"
    assert len(watch.losses) < 100
    watch.mature(ids[~early], truth[~early])
    watch.decay(now)
    assert len(watch.losses) == 2000


def test_class_dependent_delay_raises_no_alarm_in_a_stationary_stream(world: World, now: datetime) -> None:
    """The model is as good as on its holdout; only the order of the outcomes is unfair.

    Beside it the same without the care, which alarms: so the care is needed.
    """
    features, scores, truth, _ = world.rows(6000)
    poor = np.clip(scores * 0.55 + 0.4, 0, 1)  # far too high: costs the early negatives most
    reference = make_reference(features, kind="binary", predictions=poor, truth=truth)
    watch, naive = Watch(reference), np.empty(0)
    waiting = pl.DataFrame(schema={"id": pl.Int64, "truth": pl.Int64, "score": pl.Float64, "due": pl.Float64})
    naive_alarms = 0
    for day in range(30):
        today = now + day * DAY
        features, scores, truth, ids = world.rows(100)
        poor = np.clip(scores * 0.55 + 0.4, 0, 1)
        watch.observe(features, poor, ids, at=today)
        late = day + np.where(truth == 0, 0.0, 6.0) + world.rng.exponential(1, 100)
        waiting = waiting.vstack(pl.DataFrame({"id": ids, "truth": truth, "score": poor, "due": late}))
        due = waiting.filter(pl.col("due") <= day + 1)
        waiting = waiting.filter(pl.col("due") > day + 1)
        watch.mature(due["id"], due["truth"].to_numpy())
        naive = np.append(naive, losses(due["truth"].to_numpy(), due["score"].to_numpy(), "binary"))
        assert watch.decay(today).verdict != "alarm"
        naive_alarms += decide_decay(DecayEvidence(reference=reference.loss, losses=naive), today).verdict == "alarm"
    assert len(watch.losses) > 1500
    assert naive_alarms > 0


def ranked(rng: np.random.Generator, rows: int, lift: float) -> tuple[np.ndarray, np.ndarray]:
    """One row in thirty is positive and scores higher by `lift` standard deviations: scores and truth."""
    truth = (rng.random(rows) < 1 / 30).astype(int)
    return 0.3 / (1 + np.exp(3 - rng.normal(size=rows) - lift * truth)), truth


@pytest.mark.parametrize("late", [False, True])
def test_a_ranking_that_falls_is_decay_of_a_product_that_is_judged_by_it(
    world: World, now: datetime, *, late: bool
) -> None:
    """Also if positives come ten days after negatives; and before it falls, that raises no alarm."""
    features, _, _, _ = world.rows(6000)
    scores, truth = ranked(world.rng, 6000, 1.5)
    plain = make_reference(features, kind="binary", predictions=scores, truth=truth)
    assert plain.ranking is None
    often = make_reference(features, kind="binary", predictions=scores, truth=scores > np.median(scores), ranked=True)
    assert often.ranking is None  # both classes are common, so the losses tell
    reference = make_reference(features, kind="binary", predictions=scores, truth=truth, ranked=True)
    watch, losses_alone = Watch(reference), Watch(plain)
    waiting: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for day in range(40):
        today = now + day * DAY
        scores, truth = ranked(world.rng, 250, 1.5 if day < 12 else 0.5)
        ids = np.arange(250 * day, 250 * (day + 1))
        waiting[day] = (ids[truth == 1], truth[truth == 1])
        due = waiting.pop(day - 10, None) if late else waiting.pop(day)
        for each in (watch, losses_alone):
            each.observe(None, scores, ids, at=today)
            each.mature(ids[truth == 0], truth[truth == 0])
            if due is not None:
                each.mature(*due)
        if day < 12:
            assert watch.decay(today).verdict != "alarm"
    assert watch.decay(today).verdict == "alarm"
    assert watch.decay(today).numbers["ranking"] is True
    assert losses_alone.decay(today).verdict == "quiet"


def test_a_decay_of_the_late_class_is_found_once_its_labels_are_there(world: World, now: datetime) -> None:
    """Nine in ten outcomes are known at once. The others count as the least they can be, until they come."""
    features, _, truth, _ = world.rows(4000)
    truth = (world.rng.random(4000) < 0.08).astype(int)
    scores = np.where(truth == 1, 0.7, 0.1)
    reference = make_reference(features, kind="binary", predictions=scores, truth=truth)
    watch = Watch(reference)
    features, _, _, ids = world.rows(4000)
    truth = (world.rng.random(4000) < 0.08).astype(int)
    scores = np.full(4000, 0.1)  # it finds no positive any more
    watch.observe(features, scores, ids, at=now)
    watch.mature(ids[truth == 0], truth[truth == 0])
    assert watch.decay(now).verdict == "quiet"
    watch.mature(ids[truth == 1], truth[truth == 1])
    assert watch.decay(now).verdict == "alarm"


def test_overdue_outcomes_are_not_waited_for(world: World, reference: Reference, now: datetime) -> None:
    watch = Watch(reference, within=3 * DAY)
    features, scores, truth, ids = world.rows(1000)
    watch.observe(features, scores, ids, at=now)
    watch.mature(ids[::3], truth[::3])  # two in three never come
    assert watch.decay(now + 2 * DAY).verdict == "wait"
    assert watch.decay(now + 3 * DAY).verdict == "quiet"
    assert len(watch.losses) == 334
    assert watch.pending == 0
    assert watch.mature(ids[1::3], truth[1::3]) == 0  # given up: too late to count
    assert watch.decay(now + 4 * DAY).numbers["outcomes"] == 334


def test_memory_is_bounded(world: World, reference: Reference, now: datetime) -> None:
    watch = Watch(reference, window=100, memory=500, most_pending=800)
    for _ in range(30):
        feed(watch, world, now, 100)
        watch.decay(now)
    assert len(watch.losses) == 500
    features, scores, truth, ids = world.rows(2000)
    watch.observe(features, scores, ids, at=now)
    assert watch.pending == 800
    assert watch.mature(ids, truth) == 800
    assert watch.drift(now).numbers["rows"] == 1000  # ten windows, the newest


def test_300_000_rows_are_quick(world: World, reference: Reference, now: datetime) -> None:
    watch = Watch(reference)
    features, scores, truth, ids = world.rows(300_000)
    started = time.process_time()
    for start in range(0, 300_000, 15_000):
        part = slice(start, start + 15_000)
        watch.observe(features[part], scores[part], ids[part], at=now)
        watch.mature(ids[part], truth[part])
        watch.drift(now)
    watch.decay(now)
    assert time.process_time() - started < 2.0  # 0.2 measured; the rest is for slow machines


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_other_tasks(kind: str, rng: np.random.Generator, now: datetime) -> None:
    def rows(count: int, spoil: float) -> tuple[np.ndarray, np.ndarray]:
        if kind == "regression":
            truth = rng.normal(size=count)
            return truth + (0.3 + spoil) * rng.normal(size=count), truth
        truth = rng.integers(0, 3, count)
        seen = np.where(rng.random(count) < 0.1 + spoil, rng.integers(0, 3, count), truth)
        return 0.7 * np.eye(3)[seen] + 0.1, truth

    predictions, truth = rows(3000, 0.0)
    features = pl.DataFrame({"x": rng.normal(size=3000)})
    reference = make_reference(features, kind=kind, predictions=predictions, truth=truth)  # type: ignore[arg-type]
    watch = Watch(reference, window=1000)
    for spoil, verdict in ((0.0, "quiet"), (0.4, "alarm")):
        predictions, truth = rows(1500, spoil)
        ids = [f"{spoil}-{place}" for place in range(1500)]
        watch.observe(features[:1500], predictions, ids, at=now)
        watch.mature(ids, truth)
        assert watch.decay(now).verdict == verdict


def test_without_a_holdout_decay_waits(world: World, now: datetime) -> None:
    watch = Watch(make_reference(world.rows(500)[0], kind="binary"), window=200)
    feed(watch, world, now, 300)
    assert "no holdout" in watch.decay(now).reasons[0]
    assert watch.drift(now).numbers["columns"] == 2


def test_nothing_observed(reference: Reference, now: datetime) -> None:
    watch = Watch(reference)
    assert (watch.drift(now).verdict, watch.decay(now).verdict) == ("wait", "wait")
    watch.observe(pl.DataFrame({"x": [], "s": []}), np.empty(0), [], at=now)
    assert watch.mature([1], np.array([0])) == 0


def test_frames_of_other_types_are_counted_together(world: World, reference: Reference, now: datetime) -> None:
    """As frames read from JSON differ: whole numbers, a column of nulls."""
    watch = Watch(reference, window=300)
    features, scores, _, ids = world.rows(300)
    watch.observe(features[:100].with_columns(pl.col("x").round().cast(pl.Int64)), scores[:100], ids[:100], at=now)
    watch.observe(features[100:200].with_columns(pl.lit(None).alias("s")), scores[100:200], ids[100:200], at=now)
    watch.observe(features[200:], scores[200:], ids[200:], at=now)
    drift = watch.drift(now)
    assert drift.numbers["rows"] == 300
    assert "The column s has shifted" in " ".join(drift.reasons)


def test_the_reference_lies_in_the_bundle(reference: Reference, tmp_path: Path) -> None:
    assert load(tmp_path) is None
    assert save(reference, tmp_path).name == "profile.json"
    assert load(tmp_path) == reference
    (tmp_path / "profile.json").write_text("{}")
    with pytest.raises(RegistryError, match="cannot be read"):
        load(tmp_path)


def test_predictions_as_columns() -> None:
    several = prediction_frame(np.array([[0.2, 0.8], [0.6, 0.4]]))
    assert several.to_dict(as_series=False) == {"prediction": ["1", "0"], "confidence": [0.8, 0.6]}


def test_columns_whose_values_are_not_captured_are_not_watched() -> None:
    features = pl.DataFrame({"a": [1.0, 2.0] * 50, "b": ["x", "y"] * 50})
    reference = make_reference(features, kind="binary", redacted=["b", "never a feature"])
    assert [column.name for column in reference.features.columns] == ["a"]
    assert reference.features.unwatched["b"] == "its values are not captured"


def test_a_group_that_decays_is_named(world: World, now: datetime) -> None:
    """The relation breaks where `s` is "a" alone; groups that the reference does not know are of the whole."""
    features, scores, truth, _ = world.rows(4000)
    groups = {"s": features["s"].to_numpy()}
    held = make_reference(features, kind="binary", predictions=scores, truth=truth, groups=groups)
    assert set(held.slices["s"]) == {"a", "b"}
    assert not make_reference(
        features, kind="binary", predictions=scores, truth=truth, groups=groups, redacted=["s"]
    ).slices
    watch = Watch(held, window=1000)
    for day in range(12):
        features, scores, truth, ids = world.rows(500)
        texts = [*features["s"].to_list()[:-1], "never seen"]
        turned = (features["s"] == "a").to_numpy() & (day >= 6) & (world.rng.random(500) < 0.3)
        watch.observe(features, scores, ids, at=now, groups={"s": texts})
        watch.mature(ids, np.where(turned, 1 - truth, truth))
    found = watch.decay(now)
    assert (found.verdict, found.numbers["slice"]) == ("alarm", "s = a")
    assert 2500 < found.count("recent_rows") < 3500
