"""Tests in other languages, and the runners that are theirs."""

from __future__ import annotations

import pytest

from windlass.assessment.records import State

from .conftest import Ask, on_push

GO = """
    package main

    import "testing"

    func TestScore(t *testing.T) {
        if score(1) != 2 {
            t.Errorf("wrong")
        }
    }
"""
JAVA = """
    class ScorerTest {
        @Test
        void scores() {
            assertEquals(2, new Scorer().score(1));
        }
    }
"""
RUST = """
    #[cfg(test)]
    mod tests {
        #[test]
        fn scores() {
            assert_eq!(score(1), 2);
        }
    }
"""
DOTNET = """
    public class ScorerTests {
        [Fact]
        public void Scores() {
            Assert.Equal(2, new Scorer().Score(1));
        }
    }
"""
TYPESCRIPT = """
    import { score } from '../src/score';
    test('scores', () => {
      expect(score(1)).toBe(2);
    });
"""
R = """
    test_that("scores", {
      expect_equal(score(1), 2)
    })
"""
JAVA_FILE, GO_FILE = "service/src/test/java/ScorerTest.java", "api/score_test.go"


@pytest.mark.parametrize(
    ("path", "text", "run"),
    [
        (GO_FILE, GO, "go test ./..."),
        (JAVA_FILE, JAVA, "mvn -B verify"),
        (JAVA_FILE, JAVA, "./gradlew build"),
        ("src/lib.rs", RUST, "cargo test --all"),
        ("ScorerTests.cs", DOTNET, "dotnet test"),
        ("web/score.test.ts", TYPESCRIPT, "npx vitest run"),
        ("web/score.test.ts", TYPESCRIPT, "npm test"),
        ("tests/testthat/test-score.R", R, "Rscript -e 'devtools::test()'"),
    ],
)
def test_ci_runs_them(ask: Ask, path: str, text: str, run: str) -> None:
    assert ask("tests-in-ci", {path: text, **on_push(run)}).state is State.WIRED


@pytest.mark.parametrize(
    ("path", "text", "run"),
    [
        (GO_FILE, GO, "go build ./..."),
        (GO_FILE, GO, "pytest"),  # runs no test of Go
        (GO_FILE, GO.replace("t.Errorf", "// t.Errorf"), "go test ./..."),
        (GO_FILE.replace("_test", ""), GO, "go test ./..."),
        (JAVA_FILE, JAVA, "mvn package -DskipTests"),
        (JAVA_FILE, JAVA.replace("assertEquals(2, ", "System.out.println("), "mvn test"),
        (JAVA_FILE.replace("/test/", "/main/"), JAVA, "mvn test"),
        ("src/lib.rs", RUST.replace("#[test]", ""), "cargo test"),
        ("web/score.test.ts", TYPESCRIPT.replace("../src/score", "some-library"), "npm test"),
    ],
)
def test_what_looks_like_them(ask: Ask, path: str, text: str, run: str) -> None:
    assert ask("tests-in-ci", {path: text, **on_push(run)}).state is State.ABSENT


TRAVIS = """
    language: r
    script: R -q -e '{said}'
"""
TIC = """
    source("ci/helpers.R")
    get_stage("script") %>% unit_steps()
"""
HELPERS = """
    unit_steps <- function(stage) {
      stage %>% add_code_step(testthat::test_dir("tests/testthat"))
    }
"""


@pytest.mark.parametrize(
    ("said", "helpers", "state"),
    [
        ("tic::script()", HELPERS, State.WIRED),
        ("tic::install()", HELPERS, State.ABSENT),
        ("tic::script()", HELPERS.replace("stage %>%", "# stage %>%"), State.ABSENT),
    ],
)
def test_stages_of_tic(ask: Ask, said: str, helpers: str, state: State) -> None:
    files = {
        "tests/testthat/test-score.R": R,
        "tic.R": TIC,
        "ci/helpers.R": helpers,
        ".travis.yml": TRAVIS.format(said=said),
    }
    assert ask("tests-in-ci", files).state is state


@pytest.mark.parametrize(
    ("script", "state"), [('test_dir("tests/testthat")', State.WIRED), ('render("report.Rmd")', State.ABSENT)]
)
def test_a_script_of_r_that_runs_tests(ask: Ask, script: str, state: State) -> None:
    files = {"tests/testthat/test-score.R": R, "tests/run.R": script, **on_push("Rscript tests/run.R")}
    assert ask("tests-in-ci", files).state is state


@pytest.mark.parametrize(("language", "state"), [("r", State.WIRED), ("generic", State.ABSENT)])
def test_travis_checks_a_package_of_r_unless_it_is_told_otherwise(ask: Ask, language: str, state: State) -> None:
    files = {"tests/testthat/test-score.R": R, ".travis.yml": f"language: {language}\ninstall: echo"}
    assert ask("tests-in-ci", files).state is state
