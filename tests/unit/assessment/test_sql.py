"""Models that a database fits and asks, in SQL: in files, in texts of programs, and in models of dbt."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import Ask, on_push

TRAIN = "CREATE OR REPLACE MODEL `shop.churn`\nOPTIONS (model_type = 'logistic_reg') AS\nSELECT * FROM shop.rows;\n"
SCORE = "CREATE OR REPLACE TABLE shop.scores AS\nSELECT * FROM ML.PREDICT(MODEL `shop.churn`, TABLE shop.new);\n"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (TRAIN, State.PRESENT),
        ("CREATE MODEL churn FROM (SELECT a, b FROM t) TARGET b FUNCTION ask IAM_ROLE default;", State.PRESENT),
        ("CREATE SNOWFLAKE.ML.FORECAST sales(INPUT_DATA => TABLE(rows));", State.PRESENT),
        ("SELECT * FROM pgml.train('churn', 'regression', 'rows', 'y');", State.PRESENT),
        (f"/*\n{TRAIN}*/\nSELECT 1;", State.ABSENT),
        ("-- CREATE MODEL churn AS SELECT 1\nSELECT 1;", State.ABSENT),
        ("CREATE TABLE model AS SELECT * FROM t;", State.ABSENT),
        ("CREATE MODEL m REMOTE WITH CONNECTION `c` OPTIONS (endpoint = 'e'); SELECT 1 FROM t;", State.ABSENT),
        ("CREATE MODEL m OPTIONS (model_type='ONNX', model_path='gs://b/m.onnx'); SELECT 1 FROM t;", State.ABSENT),
        ("CREATE MODEL m FROM 'job' FUNCTION ask (int) RETURNS int SAGEMAKER IAM_ROLE default;", State.ABSENT),
        ("SELECT * FROM ML.EVALUATE(MODEL `shop.churn`);", State.ABSENT),
    ],
)
def test_a_statement_that_fits_a_model(ask: Ask, text: str, state: State) -> None:
    assert ask("training-automated", {"sql/train.sql": text}).state is state


def test_a_statement_of_a_test(ask: Ask) -> None:
    assert ask("training-automated", {"sql/tests/train.sql": TRAIN}).state is State.ABSENT


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (SCORE, State.PRESENT),
        ("INSERT INTO s SELECT * FROM ML.FORECAST(MODEL m, STRUCT(30 AS horizon));", State.PRESENT),
        ("SELECT * FROM ML.PREDICT(MODEL m, TABLE t);", State.ABSENT),
        ("CREATE TABLE s AS SELECT * FROM ML.EVALUATE(MODEL m);", State.ABSENT),
        ("CREATE TABLE s AS SELECT * FROM t; -- ML.PREDICT(MODEL m)", State.ABSENT),
    ],
)
def test_a_statement_that_asks_a_model_and_keeps_what_it_says(ask: Ask, text: str, state: State) -> None:
    assert ask("model-serving", {"sql/score.sql": text}).state is state


@pytest.mark.parametrize(
    ("run", "state"),
    [
        ("bq query --use_legacy_sql=false < sql/train.sql", State.WIRED),
        ("cat sql/train.sql | bq query", State.WIRED),
        ('bq query "$(cat sql/train.sql)"', State.WIRED),
        ("./run_sql.sh sql/train.sql", State.WIRED),
        ("bq query < sql/other-train.sql", State.PRESENT),
        ("sqlfluff lint sql/train.sql", State.PRESENT),
        ("echo sql/train.sql", State.PRESENT),
    ],
)
def test_a_command_that_runs_the_file(ask: Ask, run: str, state: State) -> None:
    assert ask("training-automated", {**on_push(run), "sql/train.sql": TRAIN}).state is state


CLIENT = """
from pathlib import Path
from google.cloud import bigquery

HERE = Path(__file__).parent
STATEMENT = {statement}


def main():
    {run}


if __name__ == "__main__":
    main()
"""
TEXT = '"""CREATE OR REPLACE MODEL shop.churn OPTIONS (model_type=\'linear_reg\') AS SELECT * FROM rows"""'


@pytest.mark.parametrize(
    ("statement", "run", "state"),
    [
        (TEXT, "bigquery.Client().query(STATEMENT).result()", State.WIRED),
        ("'CREATE MODEL ' + 'shop.churn AS ' + 'SELECT 1'", "bigquery.Client().query(STATEMENT)", State.WIRED),
        ("''", 'bigquery.Client().query((HERE / "sql" / "train.sql").read_text())', State.WIRED),
        ("''", 'bigquery.Client().query(open("sql/train.sql").read())', State.WIRED),
        ("''", 'bigquery.Client().query(open("sql/rows.sql").read())', State.PRESENT),
        ("'SELECT * FROM ML.EVALUATE(MODEL shop.churn)'", "bigquery.Client().query(STATEMENT)", State.PRESENT),
    ],
)
def test_a_program_that_hands_it_to_the_database(ask: Ask, statement: str, run: str, state: State) -> None:
    files = {
        **on_push("python job.py"),
        "job.py": CLIENT.format(statement=statement, run=run),
        "sql/train.sql": TRAIN,
        "sql/rows.sql": "SELECT 1;",
    }
    assert ask("training-automated", files).state is state


DAG = """
from airflow import DAG
from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator

STATEMENT = {statement}

with DAG("churn", schedule="@daily"):
    rows = BigQueryInsertJobOperator(task_id="rows", configuration={{"query": {{"query": "SELECT 1"}}}})
    fit = BigQueryInsertJobOperator(
        task_id="fit", configuration={{"query": {{"query": STATEMENT, "useLegacySql": False}}}}
    )
    rows >> fit
"""


@pytest.mark.parametrize(("statement", "wired"), [(TEXT, True), ("'SELECT * FROM shop.models'", False)])
def test_a_task_of_airflow_that_is_told_in_a_table(ask: Ask, statement: str, wired: bool) -> None:
    files = {"dags/churn.py": DAG.format(statement=statement)}
    assert (ask("ct-trigger-schedule", files).state is State.WIRED) is wired


DBT = {
    "dbt_project.yml": "name: shop\n",
    "models/churn.sql": "{{ config(materialized='model', ml_config={'model_type': 'linear_reg'}) }}\nselect * from t\n",
    "models/scores.sql": "select * from {{ dbt_ml.predict(ref('churn'), 'rows') }}\n",
}


@pytest.mark.parametrize(
    ("run", "state"),
    [
        ("dbt run", State.WIRED),
        ("dbt build --select churn", State.WIRED),
        ("uv run dbt build", State.WIRED),
        ("dbt run --select rows", State.PRESENT),
        ("dbt docs generate", State.PRESENT),
    ],
)
def test_models_of_dbt_that_are_models(ask: Ask, run: str, state: State) -> None:
    assert ask("training-automated", {**on_push(run), **DBT}).state is state


@pytest.mark.parametrize(("dropped", "state"), [("", State.PRESENT), ("dbt_project.yml", State.ABSENT)])
def test_dbt_keeps_what_a_model_says(ask: Ask, dropped: str, state: State) -> None:
    files = {name: text for name, text in DBT.items() if name != dropped}
    assert ask("model-serving", files).state is state
