"""The package as others install it: what is read from files at run time has to be in it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
ASK = """
import sys
from datetime import UTC, datetime
from pathlib import Path

import windlass
from windlass.app.scaffold import make_project
from windlass.assessment.assess import assess
from windlass.assessment.catalogue import load_catalogue
from windlass.web.maturity import render_maturity

assert Path(windlass.__file__).is_relative_to(sys.argv[1]), windlass.__file__
found = assess(make_project(Path(sys.argv[2])), now=datetime.now(UTC))
print(len(load_catalogue().practices), len(found.practices), "</html>" in render_maturity(found))
"""


def test_a_wheel_has_the_catalogue_the_pages_and_what_a_project_begins_with(tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(ROOT)], check=True, timeout=600)
    (wheel,) = tmp_path.glob("windlass-*.whl")
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(unpacked), str(tmp_path / "churn")],
        env={**os.environ, "PYTHONPATH": str(unpacked)},
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    asked, answered, drawn = done.stdout.split()
    assert asked == answered
    assert (int(asked) > 90, drawn) == (True, "True")
