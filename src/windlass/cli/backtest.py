"""`windlass backtest`: what the loop would have done, gained and cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from windlass.cli.context import PATH
from windlass.errors import UsageError
from windlass.settings import load_settings

if TYPE_CHECKING:
    from windlass.backtest.result import BacktestResult
    from windlass.product.product import Product


@click.command()
@click.argument(
    "data", type=PATH, required=False, help="A .parquet or .csv file; without it, a product of the project."
)
@click.option("--target", help="Column to predict.")
@click.option("--time", help="Column of the date, time or order number.")
@click.option("--task", help="binary, multiclass or regression; by default told by the target.")
@click.option("--estimator", help="Import path, such as lightgbm.LGBMClassifier.")
@click.option("--windows", type=click.IntRange(min=1), default=20, help="Windows after the first 20 % of the rows.")
@click.option("--label-delay", help="How long labels take: 7d, or a number if the time is one.")
@click.option("--label-time", help="Column that says when each label became known.")
@click.option("--drop", help="Columns that are no features, with commas between.")
@click.option("--metric", default="default", help="Metric to compare by: the task's default, or a name.")
@click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), default=0, help="Start of every random number.")
@click.option("--json", type=PATH, help="Write the figures to this file; - prints them.")
@click.option("--html", type=PATH, help="Write a page with curves and events.")
@click.option("--product", help="Name of the product, if there are several.")
@click.option("--project", type=PATH, help="Folder of the project; by default this one.")
def backtest(
    data: Path | None,
    *,
    target: str | None,
    time: str | None,
    task: str | None,
    estimator: str | None,
    windows: int,
    label_delay: str | None,
    label_time: str | None,
    drop: str | None,
    metric: str,
    seed: int,
    json: Path | None,
    html: Path | None,
    product: str | None,
    project: Path | None,
) -> None:
    """Replay history: what the loop would have done. Beside never retraining, every window, and on recent rows."""
    from windlass.backtest.file import FileRequest, stream_from_file
    from windlass.backtest.product import stream_of, with_defaults
    from windlass.backtest.replay import run_backtest
    from windlass.cli.backtest_view import Display, print_result
    from windlass.cli.output import check_target, stdout_for_figures
    from windlass.product.task import KINDS

    if task is not None and task not in KINDS:
        raise UsageError(f"there is no task {task!r}", where="--task", remedy=f"use one of {', '.join(KINDS)}")
    for flag, path in (("--json", json), ("--html", html)):
        if path is not None and str(path) != "-":
            check_target(path, flag)
    with stdout_for_figures():
        if data is None:
            only = {"--target": target, "--time": time, "--task": task, "--label-time": label_time, "--drop": drop}
            _only_for_files(only | {"--metric": None if metric == "default" else metric})
            chosen = with_defaults(_product(project, product), estimator=_estimator(estimator, seed), seed=seed)
            stream = stream_of(chosen, label_delay=label_delay)
            title = f"Backtest of {stream.product.name}"
        else:
            if target is None or time is None:
                raise UsageError("a file needs to be told its columns", remedy="give --target COLUMN and --time COLUMN")
            request = FileRequest(
                path=data,
                target=target,
                time=time,
                task=task,
                estimator=_estimator(estimator, seed),
                windows=windows,
                label_delay=label_delay,
                label_time=label_time,
                drop=tuple(name.strip() for name in (drop or "").split(",") if name.strip()),
                metric=metric,
                seed=seed,
            )
            stream = stream_from_file(request)
            title = f"Backtest of {data.name}"
        with Display(quiet=str(json) == "-") as display:
            result = run_backtest(stream, windows=windows, seed=seed, progress=display.show)
    _write(result, title, json=json, html=html)
    if str(json) != "-":
        print_result(result, title=title, written=[path for path in (json, html) if path is not None])


def _estimator(path: str | None, seed: int) -> Any:
    from windlass.backtest.estimators import estimator_from, with_seed

    if path is not None:
        return with_seed(estimator_from(path, folder=Path.cwd()), seed)
    return None


def _only_for_files(given: dict[str, str | None]) -> None:
    flags = [flag for flag, value in given.items() if value is not None]
    if flags:
        raise UsageError(
            f"{', '.join(flags)} say what a file's columns are, and no file was given",
            remedy="give the file first: windlass backtest DATA --target COLUMN --time COLUMN",
        )


def _product(project: Path | None, name: str | None) -> type[Product]:
    """The product of the project that is called so, or the only one."""
    from windlass.product.code.loading import discover, load_product

    settings = load_settings(directory=project)
    found = discover(settings.project, settings.products)
    if name is None and len(found) > 1:
        raise UsageError(f"there are several products: {', '.join(sorted(found))}", remedy="choose one with --product")
    chosen = name if name is not None else next(iter(found))
    if chosen not in found:
        raise UsageError(f"there is no product {chosen!r}", remedy=f"use one of {', '.join(sorted(found))}")
    return load_product(found[chosen], settings.project)


def _write(result: BacktestResult, title: str, *, json: Path | None, html: Path | None) -> None:
    from windlass.backtest.result import to_json

    if str(json) == "-":
        click.echo(to_json(result).decode(), nl=False)
    elif json is not None:
        json.write_bytes(to_json(result))
    if html is not None:
        from windlass.web.backtest import backtest_page

        html.write_text(backtest_page(result, title=title), encoding="utf-8")
