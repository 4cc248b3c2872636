"""Finding a pipeline by its ID or its exact name."""

from __future__ import annotations

import pytest

from opsera_step.api import (
    LIST_LIMIT,
    Pipeline,
    State,
    explain_name,
    listing,
    pipeline_by_id_or_name,
)
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import Forbidden, InvalidInput, Unauthorized

SOON = Deadline.after(FakeClock(), 60.0)


class Client:
    """A client of an API with some pipelines, or with an error instead of the list."""

    def __init__(self, *names: str, error: Exception | None = None) -> None:
        self.known = [
            Pipeline(f"{number:024x}", name, 7, State.SUCCESS) for number, name in enumerate(names)
        ]
        self.error = error
        self.calls: list[str] = []

    def summary(self, pipeline_id: str, _: Deadline) -> Pipeline:
        self.calls.append(f"summary {int(pipeline_id, 16)}")
        return next(one for one in self.known if one.id == pipeline_id)

    def pipelines(self, _: Deadline) -> listing.Listing[Pipeline]:
        self.calls.append("list")
        if self.error is not None:
            raise self.error
        return listing.Listing(tuple(self.known))


def find(client: Client, name: str, *, is_id: bool = False) -> Pipeline:
    return pipeline_by_id_or_name(client, name, is_id=is_id)(SOON)


def missing(client: Client, name: str) -> InvalidInput:
    """Return the error for a name that no pipeline has, or more than one."""
    with pytest.raises(InvalidInput) as caught:
        find(client, name)
    return caught.value


def test_an_id_needs_no_list():
    """A pipeline is requested by its ID directly, which needs no special role."""
    client = Client("Build", "Deploy")
    assert find(client, f"{1:024x}", is_id=True).name == "Deploy"
    assert client.calls == ["summary 1"]


@pytest.mark.parametrize("name", ["Deploy", "deploy", "Déployer ✓", "a.b*c"])
def test_a_name_matches_exactly(name):
    """Case counts, and nothing in a name is a pattern; the summary is what is returned."""
    client = Client("Deploy shop", "Deploy", "deploy", "Déployer ✓", "a.b*c", "aXbc")
    assert find(client, name).name == name
    assert client.calls[0] == "list" and client.calls[1].startswith("summary")


def test_space_around_a_name_does_not_count():
    """A trailing space, which is invisible, is ignored; an exact match takes precedence."""
    assert find(Client("Build", "Deploy "), "Deploy").id == f"{1:024x}"
    assert find(Client("Deploy ", "Deploy"), "Deploy").id == f"{1:024x}"


def test_an_ambiguous_name_lists_the_ids():
    """Nothing is guessed: the message has the IDs to choose from, up to twenty."""
    ids = ", ".join(f"{number:024x}" for number in range(20))
    error = missing(Client(*["Deploy"] * 30), "Deploy")
    assert error.message == f"30 pipelines are named “Deploy”. Use an ID: {ids} and others."


@pytest.mark.parametrize("name", ["", "\t"])
def test_an_empty_name(name):
    """It is refused before any request."""
    client = Client("", " ")
    assert "the name is empty" in missing(client, name).message
    assert client.calls == []


@pytest.mark.parametrize(
    ("name", "rule"),
    [("DEPLOY SHOP", "are case-sensitive"), ("Deploy  shop", "must match exactly")],
)  # fmt: skip
def test_a_close_match_is_suggested(name, rule):
    """An unknown name is invalid input; the hint has the likely one."""
    error = missing(Client("Build", "Deploy shop"), name)
    assert error.message == f"No pipeline is named “{name}”." and error.by_name
    assert error.exit_code == 2
    assert error.hint == f"Did you mean “Deploy shop”? Names {rule}."


def test_without_a_close_match_the_hint_is_generic():
    """A pipeline without a name, or without an ID, is no match."""
    client = Client("", "Build")
    client.known.append(Pipeline("", "Deploy", 0, State.SUCCESS))
    assert missing(client, "Deploy").hint.startswith("Use its exact name or its ID (24 hex digits")


def test_the_limit_of_the_list():
    """A pipeline beyond the first thousand can't be found by name, which is reported."""
    names = [f"pipeline {number}" for number in range(LIST_LIMIT)]
    error = missing(Client(*names), "Deploy")
    assert error.message == "No pipeline among the first 1000 is named “Deploy”."
    assert "Use the ID instead" in error.hint
    assert missing(Client(*names[:-1]), "Deploy").message == "No pipeline is named “Deploy”."


def test_a_name_that_may_exist_twice_is_a_warning():
    """If the list is truncated, another match may exist: the warning comes once."""
    names = [f"pipeline {number}" for number in range(LIST_LIMIT)]
    for listed, count in ((names[:-1], 0), (names, 1)):
        warnings: list[str] = []
        client = Client(*listed)
        find_it = pipeline_by_id_or_name(client, "pipeline 7", is_id=False, warn=warnings.append)
        assert find_it(SOON).id == find_it(SOON).id == f"{7:024x}"
        assert len(warnings) == count
    assert " ".join(warnings) == (
        "The API lists at most 1000 pipelines; another one named “pipeline 7” may exist. To be "
        f"certain, use the ID {7:024x}."
    )


def test_a_missing_role():
    """Listing requires a role that running does not: the hint has the alternative."""
    with pytest.raises(Forbidden) as caught:
        find(Client(error=Forbidden("HTTP 403.")), "Deploy")
    assert "Power User" in caught.value.hint and "24 hex digits" in caught.value.hint
    with pytest.raises(Unauthorized) as other:
        find(Client(error=Unauthorized("HTTP 401.")), "Deploy")
    assert other.value.hint == Unauthorized.hint


ID = "65a4f00dc0ffee0123456789"


@pytest.mark.parametrize(
    ("name", "explanation"),
    [
        (f"https://portal.opsera.io/workflow/details/{ID}/summary", f"Use the ID in it: {ID}."),
        ("${{ vars.X }}", "was not expanded"), ("#42", "set it as run_count"),
        (ID[:-1], "this one has 23."), (ID + "0", "this one has 25."),
        ("Deploy shop", ""), ("Déployer ✓", ""),
    ],
)  # fmt: skip
def test_what_may_be_wrong_with_a_name(name, explanation):
    """What is no name is explained, instead of guessing a close one."""
    found = explain_name("pipeline", name)
    assert (explanation in found) if explanation else found == ""
    if explanation:
        assert missing(Client("Deploy shop"), name).hint == found
