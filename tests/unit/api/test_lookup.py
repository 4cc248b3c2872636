"""Finding a pipeline by its ID or its exact name."""

from __future__ import annotations

import pytest

from opsera_step.api import LIST_LIMIT, Pipeline, State, listing, pipeline_by_id_or_name
from opsera_step.clock import Deadline, FakeClock
from opsera_step.errors import Forbidden, InvalidInput, NotFound, Unauthorized

SOON = Deadline.after(FakeClock(), 60.0)


class Listing:
    """An API with some pipelines, or with an error instead of the list."""

    def __init__(self, *names, error=None):
        self.known = [Pipeline(f"{number:024x}", name, 7, State.SUCCESS)
                      for number, name in enumerate(names)]  # fmt: skip
        self.error = error
        self.calls = []

    def summary(self, pipeline_id, deadline):
        self.calls.append(f"summary {int(pipeline_id, 16)}")
        return next(one for one in self.known if one.id == pipeline_id)

    def pipelines(self, deadline):
        self.calls.append("list")
        if self.error is not None:
            raise self.error
        return listing.Listing(tuple(self.known))


def find(api, name, *, is_id=False):
    return pipeline_by_id_or_name(api, name, is_id=is_id)(SOON)


def test_an_id_needs_no_list():
    """By its ID a pipeline is asked for directly, which takes no special role."""
    api = Listing("Build", "Deploy")
    assert find(api, f"{1:024x}", is_id=True).name == "Deploy"
    assert api.calls == ["summary 1"]


@pytest.mark.parametrize("name", ["Deploy", "deploy", "Déployer ✓", "a.b*c"])
def test_a_name_matches_exactly(name):
    """Case counts, and nothing in a name is a pattern; the summary is what is returned."""
    api = Listing("Deploy shop", "Deploy", "deploy", "Déployer ✓", "a.b*c", "aXbc")
    assert find(api, name).name == name
    assert api.calls[0] == "list" and api.calls[1].startswith("summary")


def test_blanks_around_a_name_do_not_count():
    """A trailing blank, which nobody sees, is forgiven; an exact name goes before."""
    assert find(Listing("Build", "Deploy "), "Deploy").id == f"{1:024x}"
    assert find(Listing("Deploy ", "Deploy"), "Deploy").id == f"{1:024x}"


def test_an_ambiguous_name_lists_the_candidates():
    """Two pipelines of one name are an input's fault, told with their IDs."""
    api = Listing("Deploy", "Build", "Deploy")
    with pytest.raises(InvalidInput) as caught:
        find(api, "Deploy")
    assert caught.value.problems == (
        f"pipeline: 2 pipelines are named “Deploy”; give an ID: {0:024x}, {2:024x}.",
    )


def test_a_long_list_of_candidates_is_cut():
    """Of very many candidates some are shown."""
    with pytest.raises(InvalidInput, match=f"30 pipelines .* {19:024x} and more.$"):
        find(Listing(*["Deploy"] * 30), "Deploy")


@pytest.mark.parametrize("name", ["deploy shop", "Deploy  shop", "Deploy-shop", "DEPLOY SHOP"])
def test_an_unknown_name_brings_the_likely_one(name):
    """A name that is nearly there is told."""
    with pytest.raises(NotFound) as caught:
        find(Listing("Build", "Deploy shop"), name)
    assert caught.value.message == (
        f"No pipeline is named “{name}”. There is “Deploy shop”: names have to match exactly."
    )
    assert "exact name or its ID" in caught.value.hint


@pytest.mark.parametrize("names", [(), ("Build",), ("",)])
def test_an_unknown_name_without_a_likely_one(names):
    """Nothing is guessed where nothing is near."""
    with pytest.raises(NotFound) as caught:
        find(Listing(*names), "Deploy shop")
    assert caught.value.message == "No pipeline is named “Deploy shop”."


def test_the_limit_of_the_list_is_told():
    """Beyond the first thousand a pipeline can't be found by its name, and that is said."""
    names = [f"pipeline {number}" for number in range(LIST_LIMIT)]
    with pytest.raises(NotFound) as caught:
        find(Listing(*names), "Deploy")
    assert caught.value.message == "No pipeline among the first 1000 is named “Deploy”."
    assert "give the ID instead" in caught.value.hint
    with pytest.raises(NotFound, match="No pipeline is named"):
        find(Listing(*names[:-1]), "Deploy")


def test_a_name_that_may_be_there_twice_is_told():
    """Where the list is cut another one of the name may be beyond it: that is said, once."""
    names, told = [f"pipeline {number}" for number in range(LIST_LIMIT)], []
    for listed, count in ((names[:-1], 0), (names, 1)):
        find_it = pipeline_by_id_or_name(
            Listing(*listed), "pipeline 7", is_id=False, warn=told.append
        )
        assert find_it(SOON).id == find_it(SOON).id == f"{7:024x}"
        assert len(told) == count
    assert " ".join(told) == (
        "The API lists 1000 pipelines at most: another one named “pipeline 7” may be beyond them. "
        f"The ID {7:024x} leaves no doubt."
    )


def test_a_missing_role_is_told():
    """Listing takes a role that running does not: the hint says what to give instead."""
    with pytest.raises(Forbidden) as caught:
        find(Listing(error=Forbidden("HTTP 403.")), "Deploy")
    assert "Power User" in caught.value.hint and "24 hex digits" in caught.value.hint
    with pytest.raises(Unauthorized) as other:
        find(Listing(error=Unauthorized("HTTP 401.")), "Deploy")
    assert other.value.hint == Unauthorized.hint


def test_it_can_be_called_again():
    """After a failure the same function finds the pipeline."""
    api = Listing("Deploy", error=Unauthorized("HTTP 401."))
    search = pipeline_by_id_or_name(api, "Deploy", is_id=False)
    with pytest.raises(Unauthorized):
        search(SOON)
    api.error = None
    assert search(SOON).name == "Deploy"
