"""How often the detectors are right: `python bench/assess_accuracy.py LABELS.csv FOLDER`.

LABELS.csv has a row for each repository: `repo` (owner/name), `subpath`, and a column for each thing that a person
looked for; columns of levels may be left out. FOLDER holds a copy of each at the labelled commit, as owner__name,
owner+name, owner-name, owner/name or name; copies are fetched apart and never committed. `assess_labels.csv` beside
this file are labels of our own. `--rows even|odd` takes every second row, so that detectors can be written looking at
one half and measured on the other. `--wrong` lists each cell that was judged otherwise.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from windlass.assessment.assess import assess
from windlass.assessment.records import Assessment, State

PRESENT, WIRED = State.PRESENT.rank, State.WIRED.rank
COLUMNS: dict[str, tuple[tuple[str, ...], int]] = {
    "unit_tests": (("unit-tests-code",), PRESENT),
    "ci_runs_tests": (("tests-in-ci",), PRESENT),
    "ci_tests_blocking": (("tests-in-ci",), WIRED),
    "model_quality_tests": (("model-quality-tests",), PRESENT),
    "data_versioned": (("data-versioned",), PRESENT),
    "data_validation": (("data-tests",), PRESENT),
    "orchestrated_pipeline": (("pipeline-orchestrated",), PRESENT),
    "experiment_tracking": (("experiment-tracking",), PRESENT),
    "model_registry": (("model-registry",), PRESENT),
    "ct_trigger": (("training-automated",), WIRED),
    "model_gate": (("model-validation-gate",), PRESENT),
    "cd_package": (("automated-build",), WIRED),
    "cd_pipeline": (("pipeline-cd",), WIRED),
    "cd_deploy": (("service-cd",), WIRED),
    "auto_model_release": (("model-release-automated",), WIRED),
    "service_monitoring": (("service-monitoring",), PRESENT),
    "model_monitoring": (("drift-monitoring", "model-performance-monitoring"), PRESENT),
    "auto_retrain": (("ct-trigger-threshold",), WIRED),
    "iac": (("infra-as-code",), PRESENT),
    "containers": (("container-images",), PRESENT),
    "serving": (("model-serving",), PRESENT),
}
LEVELS = {
    "google_level": ("google", "level"),
    "microsoft_level": ("microsoft", "level"),
    "microsoft_touched": ("microsoft", "touched"),
}


def judged(found: Assessment) -> dict[str, bool]:
    """What the assessment says to each column."""
    said = {
        column: any(found.finding(practice).state.rank >= least for practice in practices)
        for column, (practices, least) in COLUMNS.items()
    }
    store = found.finding("feature-consistency")
    said["feature_store"] = any(evidence.why.startswith("feature store") for evidence in store.evidence)
    modular = found.finding("modular-code")
    said["notebooks_only"] = modular.state.rank < PRESENT and bool(modular.turned_down)
    return said


def place_of(repo: str, folder: Path) -> Path | None:
    """Where the copy of a repository lies."""
    owner, _, name = repo.partition("/")
    names = (f"{owner}__{name}", f"{owner}+{name}", f"{owner}-{name}", f"{owner}_{name}", f"{owner}/{name}", name)
    return next((folder / each for each in names if (folder / each).is_dir()), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", choices=("all", "even", "odd"), default="all")
    parser.add_argument("--wrong", action="store_true")
    arguments = parser.parse_args()
    rows = list(csv.DictReader(arguments.labels.open(encoding="utf-8")))
    rows = {"all": rows, "even": rows[::2], "odd": rows[1::2]}[arguments.rows]

    right: dict[str, Counter[str]] = {}
    levels: dict[str, Counter[str]] = {name: Counter() for name in LEVELS}
    wrong: list[str] = []
    seconds = []
    for row in rows:
        place = place_of(row["repo"], arguments.folder)
        if place is None:
            print(f"not there: {row['repo']}")
            continue
        begun = time.perf_counter()
        found = assess(place / row["subpath"], now=datetime.now(UTC))
        seconds.append(time.perf_counter() - begun)
        for column, said in judged(found).items():
            true = row[column] == "true"
            right.setdefault(column, Counter())[f"{true} {said}"] += 1
            if true != said:
                wrong.append(f"{row['repo']} {row['subpath']}: {column} is {true}, judged {said}")
        for column, (model, field) in LEVELS.items():
            if column not in row:
                continue
            said_level = getattr(found.models[model], field)
            true_level = None if row[column] == "NA" else int(row[column])
            levels[column]["right" if said_level == true_level else "wrong"] += 1
            if said_level != true_level:
                wrong.append(
                    f"{row['repo']} {row['subpath']}: {column} is {true_level}, judged {said_level} ({found.kind})"
                )
    _report(right, levels, seconds)
    if arguments.wrong:
        print("\n".join(["", *wrong]))


def _report(right: dict[str, Counter[str]], levels: dict[str, Counter[str]], seconds: list[float]) -> None:
    total: Counter[str] = Counter()
    print(f"{'column':24}{'true':>6}{'hit':>6}{'missed':>8}{'false':>7}{'precision':>11}{'recall':>8}")
    for column, counts in sorted(right.items()):
        total += counts
        print(_line(column, counts))
    print(_line("all columns", total))
    for column, counts in levels.items():
        print(f"{column}: {counts['right']} of {counts.total()} right")
    print(f"{len(seconds)} repositories in {sum(seconds):.1f} s, the slowest {max(seconds, default=0):.1f} s")


def _line(name: str, counts: Counter[str]) -> str:
    hit, missed, false = counts["True True"], counts["True False"], counts["False True"]
    precision = f"{hit / (hit + false):.2f}" if hit + false else "-"
    recall = f"{hit / (hit + missed):.2f}" if hit + missed else "-"
    return f"{name:24}{hit + missed:>6}{hit:>6}{missed:>8}{false:>7}{precision:>11}{recall:>8}"


if __name__ == "__main__":
    main()
