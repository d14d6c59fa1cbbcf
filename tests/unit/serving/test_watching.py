from __future__ import annotations

import threading
from typing import Any

import pytest

from windlass.errors import BundleCorrupt
from windlass.serving.versions import watching


def served(stage: Any) -> tuple[str | None, str | None, str]:
    lineup = stage.board.of("flights")
    return (
        lineup.champion and lineup.champion.version,
        lineup.challenger and lineup.challenger.version,
        lineup.mode,
    )


def test_versions_are_opened_once_however_their_roles_change(flights: Any) -> None:
    flights.add("v2")
    flights.route("v1", "v2", mode="shadow")
    flights.route("v1", "v2", mode="canary", share=0.1)
    flights.route("v2", "v1", mode="shadow")
    flights.route("v2")
    assert flights.opened == ["d-v1", "d-v2"]
    assert served(flights) == ("v2", None, "none")
    flights.route("v1")
    assert flights.opened == ["d-v1", "d-v2", "d-v1"], "what is no longer routed is unloaded"


def test_the_sequence_never_goes_back(flights: Any) -> None:
    flights.add("v2")
    flights.route("v2", sequence=9)
    flights.route("v1", sequence=8)
    assert served(flights)[0] == "v2"
    assert flights.metric('windlass_routing_sequence{product="flights"}') == 9
    flights.route("v1", sequence=10)
    assert served(flights)[0] == "v1"


def test_a_record_that_is_not_changed_costs_no_loading(flights: Any) -> None:
    assert not flights.watcher.changed()
    flights.route("v1", refresh=False)
    assert flights.watcher.changed()
    flights.watcher.refresh()
    assert flights.opened == ["d-v1"]


@pytest.mark.parametrize("fault", [BundleCorrupt("the file was changed"), ImportError("no module named lightgbm")])
def test_a_version_that_cannot_be_loaded_leaves_the_previous_one(flights: Any, fault: Exception) -> None:
    flights.bundles["d-v2"] = fault
    flights.route("v2")
    assert served(flights) == ("v1", None, "none")
    assert flights.predict().json()["version"] == "v1"
    told = flights.client.get("/readyz")
    assert told.status_code == 200
    (problem,) = told.json()["products"]["flights"]["problems"]
    assert "v2 cannot be loaded" in problem
    assert str(fault).split()[-1] in problem
    assert flights.metric('windlass_refused_version{product="flights",version="v2"}') == 1
    assert ("refused", "flights", problem) in flights.reports


def test_a_version_is_tried_again_and_taken_once_it_loads(flights: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "RETRY_SECONDS", 0.0)
    flights.bundles["d-v2"] = BundleCorrupt("the file was changed")
    flights.route("v2")
    assert flights.watcher.changed()
    flights.add("v2")
    flights.watcher.refresh()
    assert served(flights)[0] == "v2"
    assert not flights.watcher.changed()
    assert flights.metric('windlass_refused_version{product="flights",version="v2"}') == 0
    assert flights.metric('windlass_loaded_version{product="flights",role="champion",version="v1"}') == 0


def test_a_challenger_that_cannot_be_loaded_does_not_hold_up_the_champion(flights: Any) -> None:
    flights.add("v2")
    flights.bundles["d-v3"] = BundleCorrupt("the file was changed")
    flights.route("v2", "v3", mode="canary", share=1.0)
    assert served(flights) == ("v2", None, "none")
    assert flights.predict().json()["predictions"][0]["stage"] == "champion"


def test_in_probation_a_new_champion_that_cannot_be_loaded_leaves_the_old_one_alone(flights: Any) -> None:
    flights.bundles["d-v2"] = BundleCorrupt("the file was changed")
    flights.route("v2", "v1", mode="shadow")
    assert served(flights) == ("v1", None, "none")


def test_a_record_that_cannot_be_read_changes_nothing(flights: Any) -> None:
    path = flights.paths.routing("flights")
    for content in (b"", b"{", b"[]", b'{"product": "other", "sequence": 99, "champion": null}'):
        path.write_bytes(content)
        flights.watcher.refresh()
        assert served(flights)[0] == "v1"


def test_a_product_comes_and_a_record_that_is_lost_takes_nothing_away(flights: Any) -> None:
    flights.add("w1")
    flights.route("w1", product="weather")
    assert sorted(flights.board.lineups) == ["flights", "weather"]
    assert flights.client.get("/weather/ping").status_code == 200
    flights.paths.routing("weather").unlink()
    flights.watcher.refresh()
    assert flights.client.get("/weather/ping").status_code == 200
    assert flights.metric('windlass_loaded_version{product="weather",role="champion",version="w1"}') == 1
    flights.add("w2")
    flights.route("w2", product="weather")
    assert flights.board.of("weather").leader().version == "w2"


def test_a_worker_that_begins_loads_champions_first(flights: Any) -> None:
    """What loading a challenger may do to the process happens when the champion answers already."""
    flights.add("v2")
    flights.route("v1", "v2", mode="shadow", refresh=False)
    flights.watcher.refresh(challengers=False)
    assert served(flights) == ("v1", None, "none")
    assert flights.watcher.changed()
    flights.watcher.refresh()
    assert served(flights) == ("v1", "v2", "shadow")
    assert not flights.watcher.changed()


def test_while_the_first_version_is_loaded_the_caller_is_told_so(stage: Any) -> None:
    told: list[Any] = []

    class Asking(dict[str, Any]):
        def __getitem__(self, digest: str) -> Any:
            told.append(stage.predict())
            return super().__getitem__(digest)

    stage.add("v1")
    stage.bundles = Asking(stage.bundles)
    stage.route("v1")
    (refused,) = told
    assert refused.status_code == 503
    assert refused.json()["error"].startswith("flights cannot answer yet: version v1 is being loaded")
    assert stage.predict().status_code == 200


def test_swaps_under_load_fail_no_request(flights: Any) -> None:
    flights.add("v2")
    statuses: list[int] = []
    until = threading.Event()

    def call() -> None:
        while not until.is_set():
            statuses.append(flights.predict().status_code)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(30):
        flights.route("v2" if turn % 2 else "v1", "v1" if turn % 2 else "v2", mode="canary", share=0.5)
    until.set()
    for thread in threads:
        thread.join()
    assert set(statuses) == {200}


def test_where_nothing_is_routed_nobody_should_send_requests_yet(stage: Any) -> None:
    assert not stage.watcher.changed()
    stage.watcher.refresh()
    answer = stage.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "products": {}})
