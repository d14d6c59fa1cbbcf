"""Publishing and opening versions."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from windlass.errors import BundleCorrupt, LeaseLost, ProductError, RegistryError, UntrustedModel
from windlass.product.code.loading import load
from windlass.product.code.namespace import private_name
from windlass.product.code.source import Source, read_source
from windlass.product.model.blend import Blend
from windlass.records.bundle import ModelFile
from windlass.records.lease import Fence
from windlass.records.paths import Paths
from windlass.registry import models
from windlass.registry.registry import Registry
from windlass.staging import Staging

from .conftest import NOON, fitted, manifest  # type: ignore[import-not-found]

Publish = Callable[..., str]
MakeSource = Callable[[int], Source]
FENCE = Fence(holder="test", token=1)
ROWS = pl.DataFrame({"a": [1.0, -1.0, 0.5], "b": [0.0, 1.0, 2.0]})


@pytest.fixture(scope="module")
def model() -> Any:
    return fitted(LogisticRegression())


def test_a_version_is_named_by_its_manifest_and_opens_as_it_was(
    registry: Registry, paths: Paths, publish: Publish, model: Any
) -> None:
    digest = publish(model)
    bundle = registry.open("flights", digest)
    assert bundle.folder == paths.bundle("flights", digest)
    assert bundle.manifest.metrics == {"roc_auc": 0.75}
    assert bundle.manifest.created_at == NOON
    assert set(bundle.manifest.files) == {"model/model.skops"}
    assert bundle.product is None
    assert np.array_equal(bundle.predict(ROWS).scores, model.predict_proba(ROWS.to_numpy())[:, 1])
    assert bundle.predict(ROWS.select("b", "a")).features.columns == ["a", "b"]
    assert not bundle.computes_features, "it came without code"


def test_features_are_computed_where_the_product_says_how(
    registry: Registry, publish: Publish, source: MakeSource, model: Any, tmp_path: Path
) -> None:
    with_features, plain = source(2), tmp_path / "plain"
    plain.mkdir()
    text = "import windlass as wl\nclass Plain(wl.Product):\n    task = wl.Regression(target='y')\n"
    text += "class Waiting(Plain):\n    def features(self, rows):\n        import time\n        return rows\n"
    (plain / "plain.py").write_text(text)
    computing = registry.open("flights", publish(model, with_features))
    assert computing.computes_features
    assert not computing.runs_user_code, "it has nothing but expressions, in two modules"
    calling = registry.open("flights", publish(model, read_source("plain:Waiting", plain)))
    assert calling.computes_features
    assert calling.runs_user_code
    taking = registry.open("flights", publish(model, read_source("plain:Plain", plain)))
    assert not taking.computes_features
    assert not taking.runs_user_code


def test_a_model_of_an_array_takes_the_matrix_of_its_columns(
    registry: Registry, publish: Publish, source: MakeSource, model: Any
) -> None:
    bundle = registry.open("flights", publish(model))
    assert bundle.takes_matrix
    rows = ROWS.with_columns(unused=pl.lit(7.0)).select("b", "unused", "a")
    assert np.array_equal(bundle.scores(rows["a", "b"].to_numpy()), bundle.predict(rows).scores)
    assert not registry.open("flights", publish(model, source(2))).takes_matrix, "it computes features"
    assert not registry.open("flights", publish(model, features=("a",))).takes_matrix, "which predict tells in words"
    named = LogisticRegression().fit(ROWS, [0, 1, 1])
    assert not registry.open("flights", publish(named)).takes_matrix, "it knows its columns by name"


def test_a_committee_takes_the_matrix_if_all_its_members_do(registry: Registry, publish: Publish, model: Any) -> None:
    together = registry.open("flights", publish(Blend([model, model], [0.5, 0.5], kind="binary", classes=2)))
    assert together.takes_matrix
    rows = ROWS.select("a", "b")
    assert np.array_equal(together.scores(rows.to_numpy()), together.predict(rows).scores)
    named = LogisticRegression().fit(ROWS.select("a", "b"), [0, 1, 1])
    mixed = registry.open("flights", publish(Blend([model, named], [0.5, 0.5], kind="binary", classes=2)))
    assert not mixed.takes_matrix


def test_publishing_the_same_again_changes_nothing(
    registry: Registry, paths: Paths, publish: Publish, model: Any
) -> None:
    staged = registry.stage("flights")
    file = models.save(model, staged / "model")
    copies = [registry.stage("flights") for _ in range(2)]
    for copy in copies:
        (copy / "model").mkdir()
        (copy / "model" / file.file).write_bytes((staged / "model" / file.file).read_bytes())
    digests = {registry.publish(folder, manifest(file)) for folder in (staged, *copies)}
    assert len(digests) == 1
    assert [path.name for path in paths.bundles("flights").iterdir()] == list(digests)
    assert not any((Staging(paths.registry, FENCE).folder / "flights").iterdir())


def test_any_difference_gives_another_digest(registry: Registry, publish: Publish, model: Any) -> None:
    assert len({publish(model), publish(model, metrics={"roc_auc": 0.76}), publish(model, run="run-2")}) == 3


def test_many_at_once_publish_one_version(registry: Registry, paths: Paths, model: Any) -> None:
    staged = registry.stage("flights")
    file = models.save(model, staged / "model")
    content = (staged / "model" / file.file).read_bytes()

    def put(_: int) -> str:
        mine = registry.stage("flights")
        (mine / "model").mkdir()
        (mine / "model" / file.file).write_bytes(content)
        return registry.publish(mine, manifest(file))

    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(put, range(16)))
    assert len(digests) == 1
    assert registry.open("flights", digests.pop()).predict(ROWS).scores.shape == (3,)


def test_files_are_read_only(registry: Registry, publish: Publish, model: Any) -> None:
    folder = registry.open("flights", publish(model)).folder
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o444}


# -- corruption ----------------------------------------------------------------------------------------------------


def spoil(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def test_every_changed_missing_or_added_file_is_named(
    registry: Registry, publish: Publish, source: MakeSource, model: Any
) -> None:
    digest = publish(model, source(1))
    folder = registry.open("flights", digest).folder
    for name, said in {
        "model/model.skops": "was changed",
        "source/flights.py": "was changed",
        "manifest.json": "manifest was changed",
    }.items():
        path = folder / name
        before = path.read_bytes()
        spoil(path, before + b" ")
        with pytest.raises(BundleCorrupt, match=said) as caught:
            registry.open("flights", digest)
        assert caught.value.where == str(path)
        assert caught.value.remedy
        spoil(path, before)
    for name in ("source/helpers.py", "manifest.json"):
        before = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(BundleCorrupt, match=r"missing|cannot be read") as caught:
            registry.open("flights", digest)
        assert caught.value.where == str(folder / name)
        (folder / name).write_bytes(before)
    (folder / "source" / "extra.py").write_text("")
    with pytest.raises(BundleCorrupt, match="does not belong"):
        registry.open("flights", digest)
    (folder / "source" / "extra.py").unlink()
    (folder / "source" / "more").symlink_to(folder / "model")
    with pytest.raises(BundleCorrupt, match="only plain files"):
        registry.open("flights", digest)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_no_single_changed_byte_is_overlooked(
    data: st.DataObject, registry: Registry, publish: Publish, source: MakeSource, model: Any
) -> None:
    digest = publish(model, source(1))
    folder = registry.open("flights", digest).folder
    names = sorted(path for path in folder.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(names))
    before = path.read_bytes()
    place = data.draw(st.integers(0, len(before) - 1))
    flip = data.draw(st.integers(1, 255))
    try:
        spoil(path, before[:place] + bytes([before[place] ^ flip]) + before[place + 1 :])
        with pytest.raises(BundleCorrupt):
            registry.open("flights", digest)
    finally:
        spoil(path, before)


def test_a_model_changed_after_opening_is_not_loaded(registry: Registry, publish: Publish, model: Any) -> None:
    bundle = registry.open("flights", publish(model))
    spoil(bundle.folder / "model" / "model.skops", b"something else")
    with pytest.raises(BundleCorrupt, match="after the version was opened"):
        bundle.predict(ROWS)


@pytest.mark.parametrize("digest", ["", "0" * 64, "../../../etc", "0" * 63, "G" * 64])
def test_an_unknown_version_is_no_version(digest: str, registry: Registry) -> None:
    with pytest.raises(RegistryError, match=r"no version[\s\S]*windlass versions"):
        registry.open("flights", digest)


def test_a_later_format_asks_for_an_upgrade(registry: Registry, publish: Publish, model: Any) -> None:
    digest = publish(model, format=2)
    with pytest.raises(RegistryError, match=r"later Windlass[\s\S]*upgrade"):
        registry.open("flights", digest)


# -- what may be published -----------------------------------------------------------------------------------------


def test_an_incomplete_bundle_is_refused(registry: Registry, source: MakeSource, model: Any) -> None:
    staged = registry.stage("flights")
    missing = ModelFile(format="skops", file="model.skops", kind="")
    with pytest.raises(RegistryError, match=r"the model.s file .* is not there"):
        registry.publish(staged, manifest(missing))
    file = models.save(model, staged / "model")
    with pytest.raises(RegistryError, match="source of 'flights:Flights' is not there"):
        registry.publish(staged, manifest(file, entry="flights:Flights"))
    (staged / "link").symlink_to(staged / "model")
    with pytest.raises(BundleCorrupt, match="only plain files"):
        registry.publish(staged, manifest(file))
    (staged / "link").unlink()
    (staged / "manifest.json").write_text("{}")
    with pytest.raises(RegistryError, match="written by the registry"):
        registry.publish(staged, manifest(file))


PUBLISHER = """
    import os, signal, sys
    from pathlib import Path
    from windlass.records.bundle import Manifest
    from windlass.records.paths import Paths
    from windlass.registry import files
    from windlass.records.lease import Fence
    from windlass.registry.registry import Registry
    from windlass.staging import Staging
    import msgspec

    fence = Fence(holder="test", token=1)
    folder = Path(sys.argv[1])
    manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
    seen = deadly = 0

    def counted(function):
        def call(*arguments, **named):
            global seen
            seen += 1
            if seen == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)
        return call

    files.sync = counted(files.sync)
    files.digest_of = counted(files.digest_of)
    Path.chmod, Path.rename, Path.write_bytes = counted(Path.chmod), counted(Path.rename), counted(Path.write_bytes)

    def publish():
        paths = Paths(folder / str(deadly))
        Staging(paths.registry, fence).begin()
        registry = Registry(paths, fence)
        staged = registry.stage("flights")
        (staged / "model").mkdir()
        for name in ("model.skops", "other"):
            with (staged / "model" / name).open("wb") as file:
                file.write(b"content of " + name.encode())
        registry.publish(staged, manifest)

    code = -1
    while code != 0:  # one process for each place to die at, until one comes to its end
        deadly += 1
        child = os.fork()
        if child == 0:
            publish()
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(deadly, code)
"""


def test_a_publisher_killed_anywhere_leaves_all_or_nothing(tmp_path: Path) -> None:
    """SIGKILL before each step that touches the disk: what can be seen afterwards is whole, and repeating works."""
    wanted = manifest(ModelFile(format="skops", file="model.skops", kind=""))
    (tmp_path / "manifest.json").write_bytes(msgspec.json.encode(wanted))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PUBLISHER), tmp_path], capture_output=True, text=True, check=True
    )
    outcomes = []
    for line in done.stdout.splitlines():
        deadly, code = line.split()
        paths = Paths(tmp_path / deadly)
        registry = Registry(paths, FENCE)
        found = [path.name for path in paths.bundles("flights").iterdir()] if paths.bundles("flights").exists() else []
        for digest in found:
            registry.verify("flights", digest)
        left = Staging(paths.registry, FENCE).folder / "flights"
        assert len(list(left.iterdir())) == (0 if found else 1)
        registry.clear_staging("flights")
        assert not left.exists()
        outcomes.append((int(code), len(found)))
    assert len(outcomes) > 10
    assert set(outcomes) == {(-signal.SIGKILL, 0), (-signal.SIGKILL, 1), (0, 1)}
    assert outcomes == sorted(outcomes, key=lambda outcome: outcome[1])  # once it can be seen, it stays


def test_clearing_a_staging_that_never_was(registry: Registry, publish: Publish, model: Any) -> None:
    registry.clear_staging("flights")
    assert registry.open("flights", publish(model)).manifest.product == "flights"


# -- the lease -----------------------------------------------------------------------------------------------------


def test_who_reads_may_not_publish(paths: Paths, publish: Publish, model: Any) -> None:
    digest = publish(model)
    reader = Registry(paths)
    assert reader.open("flights", digest).digest == digest
    with pytest.raises(LeaseLost, match="does not hold the lease"):
        reader.stage("flights")


def test_after_a_take_over_nothing_of_a_predecessor_is_published(registry: Registry, paths: Paths, model: Any) -> None:
    staged = registry.stage("flights")
    file = models.save(model, staged / "model")
    successor = Staging(paths.registry, Fence(holder="other", token=2))
    successor.begin()
    successor.retire_predecessors()
    with pytest.raises(RegistryError, match="is not there"):
        registry.publish(staged, manifest(file))
    with pytest.raises(LeaseLost):
        registry.stage("flights")
    assert not paths.bundles("flights").exists()


def test_a_bundle_on_its_way_when_the_lease_goes_does_not_arrive(
    registry: Registry, paths: Paths, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = registry.stage("flights")
    file = models.save(model, staged / "model")
    put = Staging.put

    def overtaken(self: Staging, source: Path, target: Path) -> None:
        successor = Staging(paths.registry, Fence(holder="other", token=2))
        successor.begin()
        successor.retire_predecessors()
        put(self, source, target)

    monkeypatch.setattr(Staging, "put", overtaken)
    with pytest.raises(LeaseLost):
        registry.publish(staged, manifest(file))
    assert list(paths.bundles("flights").iterdir()) == []


# -- code in bundles -----------------------------------------------------------------------------------------------


def test_two_versions_with_different_code_answer_side_by_side(
    registry: Registry, publish: Publish, source: MakeSource, model: Any
) -> None:
    one, ten = (registry.open("flights", publish(model, source(factor))) for factor in (1, 10))
    before = {name for name in sys.modules if name.partition(".")[0] in {"flights", "helpers"}}
    for _ in range(2):
        assert one.predict(ROWS).features["a"].to_list() == [1.0, -1.0, 0.5]
        assert ten.predict(ROWS).features["a"].to_list() == [10.0, -10.0, 5.0]
    assert one.predict(ROWS).scores[0] != ten.predict(ROWS).scores[0]
    assert {name for name in sys.modules if name.partition(".")[0] in {"flights", "helpers"}} == before


OPEN = """
import sys
from pathlib import Path
import polars as pl
from windlass.records.paths import Paths
from windlass.registry.registry import Registry
bundle = Registry(Paths(Path(sys.argv[1]))).open("flights", sys.argv[2])
print(bundle.predict(pl.DataFrame({"a": [1.0], "b": [0.0]})).scores[0], type(bundle.model.steps[0][1]).__module__)
"""


def test_a_model_with_classes_of_the_products_own_is_opened_by_a_fresh_process(
    registry: Registry, paths: Paths, publish: Publish, source: MakeSource
) -> None:
    given = source(3)
    product = load(given, paths.root.parent / "project-3")
    doubler = sys.modules[f"{product.__module__.rpartition('.')[0]}.helpers"].Doubler
    digest = publish(fitted(make_pipeline(doubler(), LogisticRegression())), given)
    bundle = registry.open("flights", digest)
    assert bundle.manifest.model.format == "skops"
    assert bundle.manifest.model.types == (f"{private_name(given.digest)}.helpers.Doubler",)
    expected = bundle.predict(pl.DataFrame({"a": [1.0], "b": [0.0]})).scores[0]
    done = subprocess.run(
        [sys.executable, "-c", OPEN, paths.root, digest], capture_output=True, text=True, check=True, cwd=paths.root
    )
    assert done.stdout.split() == [str(expected), f"{private_name(given.digest)}.helpers"]


def test_user_code_that_cannot_be_imported_is_told_when_the_product_is_asked_for(
    registry: Registry, publish: Publish, model: Any
) -> None:
    broken = Source(entry="flights:Flights", files={"flights.py": b"import nothing_like_it\n"})
    bundle = registry.open("flights", publish(model, broken))
    with pytest.raises(ProductError, match="nothing_like_it"):
        bundle.predict(ROWS)


def test_missing_columns_are_named(registry: Registry, publish: Publish, source: MakeSource, model: Any) -> None:
    with pytest.raises(ProductError, match=r"not there: b .*flights, rows"):
        registry.open("flights", publish(model)).predict(ROWS.select("a"))
    wide = registry.open("flights", publish(model, source(1), features=("a", "b", "c")))
    with pytest.raises(ProductError, match=r"not there: c .*flights, features"):
        wide.predict(ROWS)


def test_a_regression_and_no_rows(registry: Registry, publish: Publish) -> None:
    x = np.random.default_rng(1).normal(size=(20, 2))
    model = LinearRegression().fit(x, x[:, 0])
    bundle = registry.open("flights", publish(model, task={"task": "regression", "target": "y"}, classes=()))
    assert np.allclose(bundle.predict(ROWS).scores, ROWS["a"])
    assert bundle.predict(ROWS.clear()).scores.shape == (0,)


# -- pickles -------------------------------------------------------------------------------------------------------


def test_a_pickle_is_opened_only_when_a_run_or_a_person_answers_for_it(registry: Registry, model: Any) -> None:
    import pickle

    def put(**changed: Any) -> Any:
        vouched_by = changed.pop("vouched_by", "")
        staged = registry.stage("flights")
        (staged / "model").mkdir()
        (staged / "model" / "model.pkl").write_bytes(pickle.dumps(model))
        file = ModelFile(format="pickle", file="model.pkl", kind="x", vouched_by=vouched_by)
        return registry.open("flights", registry.publish(staged, manifest(file, **changed)))

    assert put().predict(ROWS).scores.shape == (3,)
    assert put(run=None, vouched_by="ada").predict(ROWS).scores.shape == (3,)
    with pytest.raises(UntrustedModel, match="nobody vouches"):
        put(run=None).predict(ROWS)


def test_the_process_umask_does_not_matter(registry: Registry, publish: Publish, model: Any) -> None:
    before = os.umask(0o077)
    try:
        folder = registry.open("flights", publish(model)).folder
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()} == {0o444}
