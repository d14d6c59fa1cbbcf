"""What R does in a project: calls by name, and who starts the script that they stand in."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from windlass.assessment.facts import Facts, Seen, once
from windlass.assessment.reach.routes import By, Route
from windlass.assessment.reading.r import RCall, read_r
from windlass.assessment.records import Evidence

FITS = frozenset(
    {
        "train", "randomForest", "xgboost", "xgb.train", "ranger", "lm", "glm", "glmnet", "cv.glmnet", "fit",
        "last_fit", "lgb.train", "gbm", "rpart", "svm", "fit_resamples", "tune_grid", "h2o.automl", "h2o.gbm",
        "h2o.randomForest", "h2o.glm", "h2o.xgboost", "h2o.deeplearning", "tune_bayes", "workflow_map", "naiveBayes",
        "naive_bayes", "neuralnet", "nnet", "lda", "qda", "gam", "bam", "lmer", "glmer", "coxph", "ctree", "cforest",
        "C5.0", "multinom", "auto.arima", "prophet", "lightgbm", "catboost.train", "brm", "stan_glm", "SuperLearner",
        "submit_experiment",
    }
)  # fmt: skip
"""Functions of R and its packages that fit a model."""


@once
def r_calls(facts: Facts) -> tuple[RCall, ...]:
    """Every call in R outside of tests."""
    return tuple(
        call
        for path in facts.project.r_files
        if "test" not in path.lower() and not path.endswith("renv/activate.R")
        for call in read_r(path, facts.project.text(path))
    )


@once
def _routes(facts: Facts) -> dict[str, Route]:
    """The best way to each file that `Rscript x.R`, `quarto render x.qmd` and the like run."""
    found: dict[str, Route] = {}
    for run in facts.runs(lambda argv: argv[0] in ("Rscript", "R", "quarto")):
        for path in facts.project.r_files:
            name = path.rpartition("/")[2]
            if name in run.command.text and (path in run.command.text or _lies_in(path, run.folder)):
                best = found.get(path)
                if best is None or run.route.by > best.by:
                    found[path] = run.route.then(run.evidence, swallowed=run.command.swallowed)
    return found


def _lies_in(path: str, folder: str) -> bool:
    """Whether a file lies in a folder: of another machine the name alone is known, `cd churn/model`."""
    inside, wanted = posixpath.dirname(path), posixpath.normpath(folder).strip(".")
    return wanted in ("", inside) or (bool(inside) and posixpath.basename(inside) == posixpath.basename(wanted))


def called_in_r(facts: Facts, names: frozenset[str], why: str) -> Iterator[Seen]:
    """Calls of functions in R. A script lies there for a person to run, if nothing runs it by itself."""
    for call in r_calls(facts):
        if call.name in names:
            here = Evidence(path=call.path, line=call.line, why=f"{call.name}: {why}")
            route = _routes(facts).get(call.path)
            if route is None:
                yield Seen((here,), by=By.PERSON)
            else:
                yield Seen((here, *route.evidence), by=route.by, swallowed=route.swallowed, route=route)


def trained_in_r(facts: Facts) -> list[Seen]:
    """Where R fits a model."""
    return list(called_in_r(facts, FITS, "a model is fitted in R"))


def is_document(seen: Seen) -> bool:
    """Whether it stands in a document, which is to R what a notebook is to Python."""
    return seen.evidence[0].path.lower().endswith((".rmd", ".qmd"))
