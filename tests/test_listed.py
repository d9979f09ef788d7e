from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from connector.errors import Rejected
from connector.listed import Listed, Lister, matching
from connector.ports import Site
from tests.systems.direct import Clock


def rows(_site: Site, query: Mapping[str, str]) -> Iterator[Listed]:
    found = (Listed("1", "Summary"), Listed("2", "Due date", {"aliases": ["deadline"]}), Listed("3", "Team"))
    return matching(found, query)


def nowhere() -> Site:
    def refuse(_request: object) -> None:
        raise AssertionError("nothing is to be asked")

    return Site("here", None, refuse, Clock())  # type: ignore[arg-type] # it answers nothing


def test_a_list_says_what_it_needs_before_anything_is_asked() -> None:
    lister = Lister(rows, needs=("project", "type"))
    with pytest.raises(Rejected, match="needs project and type"):
        lister(nowhere(), {"search": "x"})


@pytest.mark.parametrize(
    ("word", "names"),
    [("", ["Summary", "Due date", "Team"]), ("DUE", ["Due date"]), ("dead", ["Due date"]), ("3", ["Team"]), ("x", [])],
)
def test_a_search_looks_into_ids_names_and_aliases_in_any_case(word: str, names: list[str]) -> None:
    assert [one.name for one in Lister(rows)(nowhere(), {"search": word})] == names
