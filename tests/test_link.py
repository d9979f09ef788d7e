"""Effects are named for ever, and our mark is found wherever a system put it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connector.link import Marker, effect_key

PARTS = st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)


@given(st.lists(PARTS, min_size=4, max_size=4), st.lists(PARTS, min_size=4, max_size=4))
def test_two_effects_have_one_name_only_where_all_their_parts_agree(one: list[str], other: list[str]) -> None:
    assert (effect_key(*one) == effect_key(*other)) == (one == other)


def test_the_name_of_an_effect_never_changes() -> None:
    # Stored in the targets themselves: a new release that named it otherwise would double everything.
    assert effect_key("bugs", "git:issue:1", "create") == "22cf2a502f8127f6865b3f26f4c86ac1"


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_marker_is_found_in_any_text(before: str, after: str) -> None:
    marker = Marker("prod", "git-1", effect_key("u", "e", "a"))
    if "jc1:" in before or after[:1] in set("0123456789abcdef"):
        return
    assert Marker.find(f"{before}{marker}{after}") == marker


def test_what_only_looks_like_a_marker_is_none() -> None:
    whole = str(Marker("prod", "git", effect_key("u", "e", "a")))
    for broken in (whole[:-1], whole + "0", whole.replace("jc1", "jc2"), whole.replace("prod", "PROD"), ""):
        assert Marker.find(broken) is None
