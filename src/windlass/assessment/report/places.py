"""Where evidence can be opened: in the repository, and on the site that hosts it."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import quote

from windlass.assessment.records import Assessment, Evidence

_ADDRESS = re.compile(r"(?:(?:https?|ssh|git)://)?(?:[^@/\s]*@)?([\w.-]+)(?::\d+)?[:/]/?([^\s?#]+?)(?:\.git)?/?")
_PAGES = {"github": "blob", "gitlab": "-/blob", "codeberg": "src/commit", "gitea": "src/commit"}
"""What the name of a host contains, to where it shows a file of a commit; all of them name a line alike."""

_COMMITS = {"-/blob": "-/commits", "blob": "commits", "src/commit": "commits/commit"}
"""From where a host shows a file of a commit to where it lists the commits up to that one. Of two
that end alike the longer comes first."""

_ELSEWHERE = ("https://", "http://", "ledger:")


def pages_of(origin: str, commit: str) -> str:
    """The address before the path of a file of a commit, or "" for a host that is not known. Passwords are left out."""
    found = _ADDRESS.fullmatch(origin)
    if found is None:
        return ""
    host, name = found.groups()
    shown = next((pages for word, pages in _PAGES.items() if word in host.lower()), "")
    return f"https://{host}/{quote(name)}/{shown}/{commit}/" if shown else ""


def is_elsewhere(evidence: Evidence) -> bool:
    """Whether a live system said it: the place is an address, or an event of the ledger."""
    return evidence.path.startswith(_ELSEWHERE)


def is_file(evidence: Evidence) -> bool:
    """Whether the place is one of a file: not a live system, nor the history or a folder as such."""
    return not is_elsewhere(evidence) and evidence.path.rpartition("/")[2] not in ("", ".", ".git")


def place_of(evidence: Evidence) -> str:
    """A place as people write it: path and line, a folder, what shows the history, what a live system says."""
    if evidence.path == ".git":
        return "git log"
    return f"{evidence.path}:{evidence.line}" if is_file(evidence) else evidence.path


def path_in_repository(found: Assessment, evidence: Evidence) -> str:
    """The path of a place from the top of the repository; what a live system said stays as it is."""
    if is_elsewhere(evidence):
        return evidence.path
    return posixpath.normpath(posixpath.join(found.path, evidence.path))


def address_of(found: Assessment, evidence: Evidence) -> str:
    """Where a place can be opened in a browser, or ""."""
    path = path_in_repository(found, evidence)
    if is_elsewhere(evidence):
        return "" if path.startswith("ledger:") else path
    if not found.source or path.startswith(".."):
        return ""
    if not is_file(evidence):
        return _history_of(found) if evidence.path == ".git" else ""
    line = "" if path.endswith(".ipynb") else f"#L{evidence.line}"  # of a notebook the line is the number of a cell
    return f"{found.source}{quote(path)}{line}"


def _history_of(found: Assessment) -> str:
    """Where the commits of the project up to the one assessed are listed."""
    folder = "" if found.path == "." else quote(found.path)
    for shown, listed in _COMMITS.items():
        repository = found.source.removesuffix(f"/{shown}/{found.commit}/")
        if repository != found.source:
            return f"{repository}/{listed}/{found.commit}/{folder}".rstrip("/")
    return ""
