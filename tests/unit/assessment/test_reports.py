"""The forms of an assessment: complete, escaped, and comparable over time."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from windlass.assessment.assess import assess
from windlass.assessment.history import FILE, changes, keep, read_history
from windlass.assessment.records import Assessment, Evidence, State
from windlass.assessment.report.badge import to_badge
from windlass.assessment.report.markdown import to_markdown
from windlass.assessment.report.places import address_of, pages_of, place_of
from windlass.assessment.report.sarif import to_sarif
from windlass.errors import UsageError
from windlass.web.maturity import render_maturity

from .conftest import Write

NOW = datetime(2026, 11, 26, tzinfo=UTC)
HARM = "<script>alert(1)</script>"
TRAIN = f"""import mlflow
from sklearn.svm import SVC
# {HARM}
mlflow.log_metric('a', 1)
SVC().fit([[0], [1]], [0, 1])
"""


@pytest.fixture
def found(write: Write) -> Assessment:
    root = write(
        {
            "train.py": TRAIN,
            ".github/workflows/ci.yml": f"""
                on: push
                jobs:
                  train:
                    steps:
                      - name: "{HARM} | `x`"
                        run: python train.py
                      - run: pytest || true
            """,
        }
    )
    return assess(root, now=NOW)


def test_json_has_the_promised_shape(found: Assessment) -> None:
    said = json.loads(msgspec.json.encode(found))
    assert {"kind", "commit", "rules", "practices", "models", "investments", "projects"} <= set(said)
    assert {"id", "state", "evidence", "turned_down"} <= set(said["practices"][0])
    evidence = next(each for each in said["practices"] if each["id"] == "training-automated")["evidence"]
    assert evidence[0]["path"] == "train.py"
    assert evidence[0]["line"] == 5
    assert {"level", "touched", "completeness", "dimensions", "blockers"} <= set(said["models"]["microsoft"])
    assert len(said["practices"]) == 94


def test_the_page_is_whole_and_shows_what_it_quotes(found: Assessment) -> None:
    page = render_maturity(found)
    assert HARM not in page
    assert "&lt;script&gt;" in page
    assert page.count('<ol class="ladder">') == 4
    assert page.count('class="radar"') >= 3
    assert page.count('<details id="p1-') == 94
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_the_page_says_what_decides_on_a_level(found: Assessment) -> None:
    page = render_maturity(found)
    decides = page.partition('class="grounds"')[2].partition("</details>")[0]
    assert "Why level 0: what decides, up to 1" in decides
    assert '<li class="open">' in decides
    assert '<a href="#p1-tests-in-ci">tests-in-ci</a> <span class="soft">absent</span>' in decides
    linked = set(re.findall(r'href="#([^"]+)"', page))
    assert linked <= set(re.findall(r'id="([^"]+)"', page))


def test_markdown_is_a_plan_and_renders_nothing_of_the_files(found: Assessment) -> None:
    text = to_markdown(found)
    assert "## The way up" in text
    assert "person-days" in text
    assert "Done when" in text
    assert re.search(r"google 1 needs \d+ of all there are, which come to \d+ to \d+ person-days: `", text)
    assert HARM not in text.replace("\\", "") or "\\<script" in text


def test_sarif_points_to_lines(found: Assessment) -> None:
    run = to_sarif(found, version="1.2.3")["runs"][0]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert run["tool"]["driver"]["version"] == "1.2.3"
    assert run["results"]
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]
        assert result["ruleId"] in rules
        assert place["region"]["startLine"] >= 1
        assert " " not in place["artifactLocation"]["uri"]


def test_sarif_names_no_file_that_is_not_there(write: Write) -> None:
    root = write({"a#1/train?.py": TRAIN, "a#1/requirements.txt": "scikit-learn\n"})
    alone = assess(root, now=NOW)
    history = Evidence(path=".git", line=1, why="9 commits")
    practices = tuple(
        msgspec.structs.replace(each, evidence=(history,)) if each.id == alone.models["microsoft"].blockers[0] else each
        for each in alone.practices
    )
    results = to_sarif(msgspec.structs.replace(alone, practices=practices), version="1")["runs"][0]["results"]
    uris = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in results}
    assert uris
    assert all((root / unquote(uri)).is_file() for uri in uris), uris
    assert not any("#" in uri or "?" in uri for uri in uris)


def test_the_badge_names_model_level_mode_and_rules(found: Assessment) -> None:
    picture = to_badge(found, "microsoft")
    title = ET.fromstring(picture).find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text == f"MLOps microsoft: level 0 | files | rules {found.rules}"


def test_the_parts_of_a_monorepo_are_sections_of_the_plan(found: Assessment) -> None:
    whole = msgspec.structs.replace(found, kind="monorepo", projects=(msgspec.structs.replace(found, path="churn"),))
    headings = [line for line in to_markdown(whole).splitlines() if line.startswith("#")]
    assert headings[1:3] == ["## churn", "### Where it stands"]
    assert all(line.startswith("###") for line in headings[2:])


class TestHistory:
    def test_the_same_again_is_not_kept_twice(self, tmp_path: Path, found: Assessment) -> None:
        keep(tmp_path, found)
        keep(tmp_path, msgspec.structs.replace(found, at="2026-12-01T00:00:00+00:00"))
        assert len(read_history(tmp_path)) == 1

    def test_rules_are_told_from_the_project(self, tmp_path: Path, found: Assessment) -> None:
        better = tuple(
            msgspec.structs.replace(each, state="wired") if each.id == "service-cd" else each  # type: ignore[arg-type]
            for each in found.practices
        )
        committed = msgspec.structs.replace(found, commit="a" * 40)
        for each in (
            committed,
            msgspec.structs.replace(committed, rules="0"),
            msgspec.structs.replace(committed, rules="0", commit="b" * 40, practices=better),
            msgspec.structs.replace(committed, rules="1", commit="c" * 40),
        ):
            keep(tmp_path, each)
        path = changes(read_history(tmp_path))
        assert [each.cause for each in path] == ["first", "rules", "project", "rules and project"]
        assert path[2].better == ("service-cd: absent -> wired",)
        assert path[3].worse == ("service-cd: wired -> absent",)

    def test_what_people_say_is_told_from_the_project(self, tmp_path: Path, found: Assessment) -> None:
        said = Evidence(path="maturity.yaml", why="data scientist says yes: since May", at="2026-05-01")
        code = Evidence(path="main.tf", why="infrastructure")

        def shown(**evidence: Evidence) -> Assessment:
            wired = {name.replace("_", "-"): given for name, given in evidence.items()}
            practices = tuple(
                msgspec.structs.replace(each, state=State.WIRED, evidence=(wired[each.id],))
                if each.id in wired
                else each
                for each in found.practices
            )
            return msgspec.structs.replace(found, commit=str(len(evidence)) * 40, practices=practices)

        assessments = (
            found,
            shown(service_cd=said),
            shown(service_cd=said, infra_as_code=code),
            shown(),
            shown(infra_as_code=code),
        )
        for each in assessments:
            keep(tmp_path, each)
        causes = [each.cause for each in changes(read_history(tmp_path))]
        assert causes == ["first", "interview", "project", "interview and project", "project"]

    def test_a_monorepo_has_a_path_for_each_project(self, tmp_path: Path, found: Assessment) -> None:
        churn, fraud = (msgspec.structs.replace(found, path=path) for path in ("churn", "fraud"))
        whole = msgspec.structs.replace(found, commit="a" * 40, models={}, projects=(churn, fraud))
        better = msgspec.structs.replace(
            fraud,
            practices=tuple(
                msgspec.structs.replace(each, state=State.WIRED) if each.id == "service-cd" else each
                for each in fraud.practices
            ),
        )
        keep(tmp_path, whole)
        keep(tmp_path, msgspec.structs.replace(whole, commit="b" * 40, projects=(churn, better)))
        path = changes(read_history(tmp_path))
        assert path[0].now.levels["churn microsoft"] == 0
        assert path[1].better == ("fraud service-cd: absent -> wired",)

    @pytest.mark.parametrize(
        "line", ["{}", '{"at": "", "commit": "", "rules": "", "mode": "", "levels": {}, "states": {"x": "y"}}']
    )
    def test_a_broken_line_is_named(self, tmp_path: Path, line: str) -> None:
        (tmp_path / FILE).parent.mkdir()
        (tmp_path / FILE).write_text(f"{line}\n")
        with pytest.raises(UsageError, match="line 1"):
            read_history(tmp_path)


@pytest.mark.parametrize(
    ("origin", "pages"),
    [
        ("https://github.com/team/churn.git", "https://github.com/team/churn/blob/c0/"),
        ("https://oauth2:secret@gitlab.com/group/sub/churn.git", "https://gitlab.com/group/sub/churn/-/blob/c0/"),
        ("git@github.example.com:team/churn", "https://github.example.com/team/churn/blob/c0/"),
        ("ssh://git@codeberg.org:22/team/churn/", "https://codeberg.org/team/churn/src/commit/c0/"),
        ("/srv/git/churn.git", ""),
        ("javascript:alert(1)//github.com/a/b", ""),
        ("", ""),
    ],
)
def test_a_host_shows_the_files_of_a_commit(origin: str, pages: str) -> None:
    assert pages_of(origin, "c0") == pages


class TestLinks:
    @pytest.fixture
    def hosted(self, found: Assessment) -> Assessment:
        """A project in a folder of a repository that is on a site."""
        return msgspec.structs.replace(found, source="https://github.com/team/mono/blob/c0/", path="services/churn")

    @pytest.mark.parametrize(
        ("path", "line", "address"),
        [
            ("a b.py", 3, "services/churn/a%20b.py#L3"),
            ("../../.github/workflows/ci.yml", 7, ".github/workflows/ci.yml#L7"),
            ("n.ipynb", 2, "services/churn/n.ipynb"),
        ],
    )
    def test_evidence_leads_to_its_line(self, hosted: Assessment, path: str, line: int, address: str) -> None:
        assert address_of(hosted, Evidence(path=path, line=line, why="")) == f"{hosted.source}{address}"

    @pytest.mark.parametrize("path", ["../../../etc/passwd", "../../.git", "."])
    def test_what_the_site_does_not_show_has_no_link(self, hosted: Assessment, path: str) -> None:
        assert address_of(hosted, Evidence(path=path, why="")) == ""

    @pytest.mark.parametrize(
        ("origin", "folder", "address"),
        [
            ("https://github.com/blob/churn", ".", "https://github.com/blob/churn/commits/c0"),
            ("https://github.com/team/mono", "a b", "https://github.com/team/mono/commits/c0/a%20b"),
            ("https://gitlab.com/g/churn", ".", "https://gitlab.com/g/churn/-/commits/c0"),
            ("https://codeberg.org/t/churn", ".", "https://codeberg.org/t/churn/commits/commit/c0"),
            ("/srv/git/churn.git", ".", ""),
        ],
    )
    def test_a_history_leads_to_the_commits(self, found: Assessment, origin: str, folder: str, address: str) -> None:
        hosted = msgspec.structs.replace(found, source=pages_of(origin, "c0"), commit="c0", path=folder)
        history = Evidence(path=".git", why="9 commits")
        assert address_of(hosted, history) == address
        assert place_of(history) == "git log"

    def test_a_folder_has_no_line(self) -> None:
        assert place_of(Evidence(path=".", why="a folder of a repository")) == "."

    @pytest.mark.parametrize(("path", "address"), [("ledger:8", ""), ("http://mlflow:5000/#/models/m/versions/3",) * 2])
    def test_what_a_live_system_said_is_named_as_it_names_it(self, hosted: Assessment, path: str, address: str) -> None:
        evidence = Evidence(path=path, why="")
        assert address_of(hosted, evidence) == address
        assert place_of(evidence) == path

    def test_all_forms_lead_there(self, hosted: Assessment) -> None:
        place = f"{hosted.source}services/churn/train.py#L5"
        assert f'<a href="{place}">' in render_maturity(hosted)
        assert f"[`train.py:5`](<{place}>)" in to_markdown(hosted)

    def test_sarif_counts_from_the_top_of_the_repository(self, hosted: Assessment) -> None:
        whole = msgspec.structs.replace(hosted, kind="monorepo", path=".", projects=(hosted,))
        results = to_sarif(whole, version="1")["runs"][0]["results"]
        places = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in results}
        assert "services/churn/.github/workflows/ci.yml" in places
        assert all(place.startswith("services/churn/") for place in places)
