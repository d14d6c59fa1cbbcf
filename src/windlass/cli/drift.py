"""`windlass profile` and `windlass drift`: useful without any other part of Windlass."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from windlass.cli.context import PATH
from windlass.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from windlass.monitoring.profiles import Profile
    from windlass.monitoring.report import Comparison

_SUFFIX = ".profile.json"


@click.command()
@click.argument("file", type=PATH, help="A .parquet or .csv file.")
@click.option("--output", "-o", type=PATH, help="Where to write; by default beside FILE.")
@click.option("--like", type=PATH, help="Reference whose bins to use: for CURRENT of drift.")
def profile(file: Path, *, output: Path | None, like: Path | None) -> None:
    """Profile a file: what its columns look like. `windlass drift` takes it in place of the file."""
    from windlass.cli.drift_view import print_profile
    from windlass.cli.output import check_target
    from windlass.monitoring.saved import save_profile

    path = file.with_name(file.name + _SUFFIX) if output is None else output
    check_target(path, "--output")
    _keep_apart({"FILE": file, "--like": like}, {"--output": path})
    started = perf_counter()
    made = _profile_of(file) if like is None else _profile_of(file, like=_reference_of(like, file), named=like)
    save_profile(made, path)
    print_profile(made, title=f"Profile of {file.name}", written=path, seconds=perf_counter() - started)


@click.command()
@click.argument("reference", type=PATH, help="A .parquet or .csv file, or a saved profile.")
@click.argument("current", type=PATH, help="What is held against it: the same.")
@click.option("--json", type=PATH, help="Write the figures to this file; - prints them.")
@click.option("--html", type=PATH, help="Write a page with both distributions.")
@click.option("--state", type=PATH, help="File that carries the evidence to the next window.")
@click.option("--seasons", is_flag=True, help="What the reference did within itself is no news.")
@click.option("--fail-on-alert", is_flag=True, help="Leave with 3 on an alert.")
def drift(
    reference: Path,
    current: Path,
    *,
    json: Path | None,
    html: Path | None,
    state: Path | None,
    seasons: bool,
    fail_on_alert: bool,
) -> None:
    """Has the data drifted? Alerts in vain once in 8,760 times."""
    from windlass.cli.drift_view import print_report
    from windlass.cli.output import check_target

    written = {
        flag: path for flag, path in (("--json", json), ("--html", html), ("--state", state)) if path is not None
    }
    for flag, path in written.items():
        if str(path) != "-":
            check_target(path, flag)
    _keep_apart({"REFERENCE": reference, "CURRENT": current}, written)
    compared = compare_files(reference, current, state=state, seasons=seasons)
    _write(compared, json=json, html=html, title=f"{current.name} against {reference.name}")
    if str(json) != "-":
        print_report(compared, title=f"{current.name} against {reference.name}", written=list(written.values()))
    if fail_on_alert and compared.report.alert:
        raise click.exceptions.Exit(3)


def _keep_apart(read: dict[str, Path | None], written: dict[str, Path]) -> None:
    """Raise UsageError where a file that is read, or written as something else, would be overwritten."""
    taken = {path.resolve(): name for name, path in read.items() if path is not None}
    for flag, path in written.items():
        other = taken.setdefault(path.resolve(), flag)
        if other != flag:
            raise UsageError(f"{path} is {other} too, and would be overwritten", where=flag, remedy="name another file")


def compare_files(reference: Path, current: Path, *, state: Path | None = None, seasons: bool = False) -> Comparison:
    """The comparison of two files, each of rows or a saved profile; `state` is read, and written anew."""
    from windlass.monitoring.report import compare_profiles
    from windlass.monitoring.saved import load_state, locked, save_state
    from windlass.monitoring.state import window_of

    started = perf_counter()
    held = _reference_of(reference, current)
    window = _profile_of(current, like=held, named=reference)
    try:
        if state is None:
            return compare_profiles(held, window, seasons=seasons, started=started)
        known = window_of(current.name, window)
        with locked(state):
            before = load_state(state) if state.exists() else None
            found = compare_profiles(held, window, state=before, seasons=seasons, started=started, window=known)
            save_state(found.state, state)
        return found
    except DataError as error:
        where = error.where or str(state if "state" in error.what else reference)
        raise DataError(error.what, where=where, remedy=error.remedy) from error


def _reference_of(path: Path, current: Path) -> Profile:
    """What lies in the file of a reference; one of CSV has text where what is held against it is known to have text."""
    from windlass.backtest.reading import NULLS, PARQUET, TEXT
    from windlass.monitoring.saved import is_profile, load_profile
    from windlass.monitoring.scanning import texts_in

    texts: Mapping[str, Collection[str]] = {}
    if path.suffix.lower() in TEXT and current.is_file() and current.stat().st_size:
        if current.suffix.lower() in PARQUET:
            texts = texts_in(current, NULLS)
        elif is_profile(current):
            texts = load_profile(current).texts
    return _profile_of(path, texts=texts)


def _profile_of(
    path: Path,
    *,
    like: Profile | None = None,
    named: Path | None = None,
    texts: Mapping[str, Collection[str]] | None = None,
) -> Profile:
    """What lies in a file: rows to be counted (like those of the reference `named` so), or a profile.

    `texts`: what is known of a CSV file's columns (see `read_file`).
    """
    from windlass.backtest.reading import PARQUET, read_file
    from windlass.monitoring.profiles import profile, profile_like, same_bins
    from windlass.monitoring.saved import is_profile, load_profile
    from windlass.monitoring.scanning import scan_parquet

    if path.is_file() and is_profile(path):
        saved = load_profile(path)
        if like is not None and not same_bins(saved, like):
            raise UsageError(
                "this profile has other bins than the reference",
                where=str(path),
                remedy=f"make it with its bins: windlass profile FILE --like {named}",
            )
        return saved
    if path.suffix.lower() in PARQUET and path.is_file() and path.stat().st_size:
        return scan_parquet(path, like)
    if like is None:
        return profile(read_file(path, [], texts=texts))
    return profile_like(like, read_file(path, [], texts=like.texts))


def _write(compared: Comparison, *, json: Path | None, html: Path | None, title: str) -> None:
    import msgspec

    if json is not None:
        content = msgspec.json.format(msgspec.json.encode(compared.report), indent=2)
        if str(json) == "-":
            click.echo(content.decode())
        else:
            json.write_bytes(content)
    if html is not None:
        from windlass.web.drift import drift_page

        html.write_text(drift_page(compared, title=title), encoding="utf-8")
