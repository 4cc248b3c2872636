"""The GitLab component: no value of an input can change more than that input."""

from __future__ import annotations

import pytest

from opsera_step.config import Setting, problem_of
from tests.support.component import Refused, declared, environment_of, insert, jobs

ID = "65a4f00dc0ffee0123456789"
USUAL = {"pipeline": ID}
OURS = sorted(set(declared()) - {"job_name", "stage", "image", "token_variable"})
GOOD = {
    "pipeline": [
        'Deploy "shop"', "It's <b> $HOME `id` $(id) \\ #", "END", ID, "ünï – код 🚀", " x ",
    ],
    "command": ['tool update "Shop Jenkins" --set \'a={"b": 1}\'', "watch"],
    "branch": ["feature/a'b", "release-1.x"],
    "parameters": ['{"Build: x": {"VERSION": "1.10", "A": "it\'s $5"}}', "Build.VERSION=1.10"],
    "token_file": ["/run/secrets/opsera token"],
    "ca_bundle": ["certs/ca's.pem"],
    "config": ["ci/opsera.yml"],
    "base_url": ["https://acme.opsera.io:8443/a", "http://127.0.0.1:8080", "https://bücher.example"],
    "portal_url": ["https://portal.acme.opsera.io"],
    "run_count": ["42"],
    "timeout": ["2h 30m", "90"],
    "log_limit": ["3.5MiB", "auto"],
    "poll_interval": ["0.5", "auto"],
    "verbose": ["true", "auto"],
    "wait": ["false"],
    "timestamps": ["true"],
    "report_dir": ["out/opsera.report"],
    "on_timeout": ["leave"],
    "on_cancel": ["stop"],
    "on_paused": ["wait"],
    "on_busy": ["attach"],
    "reset": ["auto"],
    "logs": ["all"],
}  # fmt: skip
LINE_BREAKS = ["\n", "\r", "\x85", "\u2028"]
CONTROLS = ["\0", "\x1b", "\x0b", "\t"]
PAYLOADS = [
    "{0}  before_script: [touch pwned]{0}", '"{0}  before_script: [touch pwned]{0}  x: "',
    "{0}- touch pwned", "'{0}touch pwned{0}'", "{0}END{0}touch pwned",
    "{0}      END{0}      touch pwned",
    "]{0}touch pwned",
]  # fmt: skip
ONE_LINE = [
    '"', "'", '"""', "$(touch pwned)", "`touch pwned`", "; touch pwned", "' ; touch pwned '",
    "END", "\\", "x\\", "& | > <", "# comment", "- a", "a: b", "*inputs", "&inputs", "!x",
    "%x", "|", "---", "$[[ inputs.token_variable ]]", "${OPSERA_TOKEN}",
    "$OPSERA_TOKEN", "https://evil.example/'", 'https://evil.example/" x', "{a: b}", "[a]", "=x",
    "https://evil.example/$(touch${IFS}pwned)", "A=B", "\ufeffx", "x\u200b", "~", "null", "true",
    "../../etc", "/", "x ",
]  # fmt: skip
HOSTILE = [
    *ONE_LINE,
    *(f"x{control}y" for control in CONTROLS),
    *(payload.replace("{0}", line_break) for line_break in LINE_BREAKS for payload in PAYLOADS),
]

IN_VARIABLES = [value for value in HOSTILE if not {"\0", "\r"} & set(value)]
"""Those that a variable can hold, and that the record of these tests shows as they are."""


def shape(found):
    """Return what stays the same whatever the value of an input is."""
    (job,) = found.values()
    varying = ("script", "after_script", "stage", "image", "artifacts")
    return {key: value for key, value in job.items() if key not in varying}, set(job)


@pytest.mark.parametrize("name", OURS)
def test_good_values_arrive_as_they_are(name, tmp_path):
    """Whatever users put into an input reaches script and after_script unchanged."""
    assert GOOD[name], "every input has values here"
    for value in GOOD[name]:
        (job,) = jobs({**USUAL, name: value}).values()
        for part in (job["script"], job["after_script"]):
            seen = environment_of(part, tmp_path, {"OPSERA_TOKEN": "s3cret-token"})
            assert seen[f"OPSERA_{name.upper()}"] == value


@pytest.mark.parametrize("name", sorted(declared()))
def test_hostile_values_change_nothing_else(name, tmp_path):
    """A hostile value is refused by GitLab, or is nothing but the value of its input."""
    usual, lines = shape(jobs(USUAL)), insert(USUAL).count("\n")
    for value in HOSTILE:
        inputs = {**USUAL, name: value}
        try:
            text = insert(inputs)
        except Refused:
            continue
        assert text.count("\n") == lines
        found = jobs(inputs)
        assert shape(found) == usual
        (job,) = found.values()
        seen = environment_of(job["script"], tmp_path, {})
        assert not (tmp_path / "pwned").exists()
        if name in OURS:
            assert seen[f"OPSERA_{name.upper()}"] == value
        elif name != "token_variable":
            assert value in [*found, job["stage"], job["image"]["name"]]


@pytest.mark.parametrize("name", OURS)
def test_no_variable_overrides_an_input(name, tmp_path):
    """Variables of the project or the pipeline, in either family, don't change what is set."""
    (job,) = jobs(USUAL).values()
    plain = environment_of(job["script"], tmp_path, {})
    overriding = {
        f"{prefix}{name.upper()}": "https://evil.example" for prefix in ("OPSERA_", "INPUT_")
    }
    seen = environment_of(job["script"], tmp_path, {**overriding, "GITHUB_ACTIONS": "true"})
    assert seen[f"OPSERA_{name.upper()}"] == plain[f"OPSERA_{name.upper()}"]
    # Without it INPUT_ variables do not count.
    assert "GITHUB_ACTIONS" not in seen and seen["GITLAB_CI"] == "true"


class TestBranch:
    """The branch may name a variable, because GitLab doesn't expand variables in inputs."""

    def branch(self, working_directory, typed, variables, part="script"):
        (job,) = jobs({**USUAL, "branch": typed}).values()
        return environment_of(job[part], working_directory, variables)["OPSERA_BRANCH"]

    @pytest.mark.parametrize("typed", ["$CI_COMMIT_REF_NAME", "${CI_COMMIT_REF_NAME}"])
    @pytest.mark.parametrize("part", ["script", "after_script"])
    def test_the_value_of_a_variable(self, tmp_path, typed, part):
        """Other variables of the project, the pipeline, or a job of another program don't count."""
        variables = {"CI_COMMIT_REF_NAME": "feature/x", "OPSERA_BRANCH": "a", "INPUT_BRANCH": "b"}
        assert self.branch(tmp_path, typed, variables, part) == "feature/x"

    def test_a_hostile_value(self, tmp_path):
        """A branch can have almost any name; it is never run, and nothing in it is expanded."""
        for value in (*IN_VARIABLES, "$OTHER", "${OTHER}", "a\nb"):
            variables = {"CI_COMMIT_REF_NAME": value, "OTHER": "other"}
            found = self.branch(tmp_path, "$CI_COMMIT_REF_NAME", variables)
            assert found == (value.rstrip("\n") or "$CI_COMMIT_REF_NAME")
            assert not (tmp_path / "pwned").exists()

    @pytest.mark.parametrize("typed", ["$CI_COMMIT_TAG", "$OPSERA_BRANCH"])
    def test_an_unset_variable_is_invalid(self, tmp_path, typed):
        """The name stays, so that the job does not run another branch without a word."""
        found = self.branch(tmp_path, typed, {"OPSERA_BRANCH": "a", "CI_COMMIT_TAG": ""})
        assert found == typed
        assert "variable that was not expanded" in problem_of(
            "branch", Setting(found, "OPSERA_BRANCH")
        )

    @pytest.mark.parametrize("typed", ["a$CI_COMMIT_REF_NAME", "$1", "$", "${x"])
    def test_any_other_text(self, tmp_path, typed):
        """Only a whole reference is one."""
        assert self.branch(tmp_path, typed, {"CI_COMMIT_REF_NAME": "main"}) == typed


class TestRunCount:
    """The run number may be the one that an earlier job of the pipeline has set."""

    @pytest.mark.parametrize("part", ["script", "after_script"])
    @pytest.mark.parametrize(
        ("typed", "inherited", "expected"),
        [("$OPSERA_RUN_COUNT", "42", "42"), ("42", "43", "42"), ("", "42", ""),
         # The job fails, instead of taking the latest run.
         ("$OPSERA_RUN_COUNT", "", "$OPSERA_RUN_COUNT"),
         ("$OPSERA_RUN_COUNT", "$(touch pwned)", "$(touch pwned)")],
    )  # fmt: skip
    def test_the_value_of_the_variable(self, tmp_path, part, typed, inherited, expected):
        """Only if it is named, and only as a value."""
        (job,) = jobs({**USUAL, "run_count": typed}).values()
        seen = environment_of(job[part], tmp_path, {"OPSERA_RUN_COUNT": inherited})
        assert seen["OPSERA_RUN_COUNT"] == expected
        assert not (tmp_path / "pwned").exists()
        number = isinstance(expected, str) and (expected.isdigit() or not expected)
        assert bool(problem_of("run_count", Setting(expected, "OPSERA_RUN_COUNT"))) != number

    @pytest.mark.parametrize(
        "typed", ["$OPSERA_TOKEN", "${OPSERA_RUN_COUNT}", "$OPSERA_RUN_COUNTX"]
    )
    def test_no_other_variable(self, typed):
        """GitLab refuses it."""
        with pytest.raises(Refused):
            jobs({**USUAL, "run_count": typed})


def test_the_output_file_is_the_dotenv_report(tmp_path):
    """A variable can't move it away from the path that GitLab reads."""
    (job,) = jobs(USUAL).values()
    seen = environment_of(job["script"], tmp_path, {"OPSERA_OUTPUT_FILE": "/etc/passwd"})
    assert seen["OPSERA_OUTPUT_FILE"] == job["artifacts"]["reports"]["dotenv"] == "opsera.env"


def test_the_job_declares_no_variables():
    """A job's `variables:` have a lower precedence than those of the project and the pipeline."""
    assert "variables" not in next(iter(jobs(USUAL).values()))


class TestToken:
    """Which variable the token comes from."""

    def token(self, directory, variables, **inputs):
        (job,) = jobs({**USUAL, **inputs}).values()
        seen = environment_of(job["script"], directory, variables)
        return seen["OPSERA_TOKEN"], seen["OPSERA_TOKEN_FILE"]

    def test_the_usual_variable(self, tmp_path):
        """OPSERA_TOKEN, unless another one is named; INPUT_TOKEN never."""
        variables = {"OPSERA_TOKEN": "one", "OTHER": "two", "INPUT_TOKEN": "three"}
        assert self.token(tmp_path, variables) == ("one", "")
        assert self.token(tmp_path, variables, token_variable="OTHER") == ("two", "")
        assert self.token(tmp_path, {"INPUT_TOKEN": "three"}) == ("", "")

    def test_a_variable_of_type_file(self, tmp_path):
        """Its value is the path of a file with the token."""
        (tmp_path / "held").write_text("s3cret-token")
        held = str(tmp_path / "held")
        assert self.token(tmp_path, {"OPSERA_TOKEN": held}) == ("", held)
        variables = {"OPSERA_TOKEN_FILE": held}
        assert self.token(tmp_path, variables, token_variable="OPSERA_TOKEN_FILE") == ("", held)

    def test_the_input_token_file(self, tmp_path):
        """It wins over the variable."""
        assert self.token(tmp_path, {"OPSERA_TOKEN": "one"}, token_file="t") == ("", "t")


def test_artifacts_follow_the_report():
    """The report's directory is what is kept, wherever it is."""
    (job,) = jobs({**USUAL, "report_dir": "out/report"}).values()
    assert job["artifacts"]["paths"] == ["out/report/"]
    assert job["artifacts"]["reports"]["junit"] == "out/report/junit.xml"
