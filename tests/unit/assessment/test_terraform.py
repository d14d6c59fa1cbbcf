"""Resources of Terraform, each with what stands between its braces."""

from __future__ import annotations

import pytest

from windlass.assessment.reading.lines import line_at
from windlass.assessment.reading.terraform import read_terraform
from windlass.assessment.records import State

from .conftest import Ask

TWO = """
    resource "aws_s3_bucket" "data" {
      tags = { team = "churn" }
    }
    # resource "aws_lambda_function" "old" {
    resource "aws_sns_topic" "alarms" { name = "alarms" }
"""


def test_a_body_ends_where_its_braces_do() -> None:
    first, second = read_terraform("main.tf", TWO)
    assert (first.kind, first.name, first.line) == ("aws_s3_bucket", "data", 2)
    assert "team" in first.body
    assert "sns" not in first.body
    assert (second.kind, second.line, second.body.strip()) == ("aws_sns_topic", 6, 'name = "alarms"')


def test_a_body_without_an_end_is_the_rest() -> None:
    (only,) = read_terraform("main.tf", 'resource "aws_s3_bucket" "data" {\n  bucket = "a"\n')
    assert "bucket" in only.body


@pytest.mark.parametrize(("place", "line"), [(0, 1), (2, 2), (-1, 1)])
def test_the_line_of_a_place(place: int, line: int) -> None:
    assert line_at("a\nb\n", place) == line


@pytest.mark.parametrize(
    ("kind", "state"), [("aws_glue_catalog_database", State.PRESENT), ("aws_glue_job", State.ABSENT)]
)
def test_what_is_declared_second_counts(ask: Ask, kind: str, state: State) -> None:
    text = f'resource "aws_s3_bucket" "a" {{\n}}\nresource "{kind}" "b" {{\n}}\n'
    assert ask("data-unified-access", {"main.tf": text}).state is state
