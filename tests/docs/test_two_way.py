"""What the page on two-way connectors says of merging, and of what cannot be turned round, is what happens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.errors import ConfigError
from connector.loading import load
from connector.mapping import Direction, Policy
from connector.merge import LOOP, LOOP_MS, Move, Stand, judge
from connector.registry import SYSTEMS
from connector.transforms import TRANSFORMS
from tests.docs.test_docs import CONNECTIONS, registered
from workers.converging import ROUNDS
from workers.sides import same

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "two-way.md").read_text()
SAID = {
    Move.AGREE: "nothing to do",
    Move.TO: "the source's value goes to the target",
    Move.FROM: "the target's value goes to the source",
    Move.ASK: "a person decides",
}


def rows(heading: str) -> Iterator[list[str]]:
    """Yield the cells of the table below a row of headings."""
    lines = PAGE.partition(heading)[2].split("\n")[2:]
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def merges() -> Iterator[Any]:
    for cells in rows("| base | source | target | policy | what becomes of it |"):
        base, source, target = (json.loads(cell.strip("`")) for cell in cells[:3])
        yield pytest.param(base, source, target, cells[3].strip("`"), cells[4], id=" ".join(cells))


@pytest.mark.parametrize(("base", "source", "target", "policy", "says"), list(merges()))
def test_the_merge_is_as_its_table_says(base: Any, source: Any, target: Any, policy: str, says: str) -> None:
    got = judge(
        Stand(source, target, base, base),
        direction=Direction.BOTH,
        policy=Policy(policy),
        initial=Policy.ASK,
        same=same,
        newer=lambda: None,
    )
    if got.move is Move.BOTH:
        assert says == f"both get `{json.dumps(got.value)}`"
    else:
        assert says == SAID[got.move]


def test_the_table_shows_every_way_it_can_end() -> None:
    told = {one.values[4] for one in merges()}
    assert told >= set(SAID.values())
    assert any(str(one).startswith("both get") for one in told)


def refused() -> Iterator[Any]:
    for cells in rows("| rule | why |"):
        yield pytest.param(cells[0].strip("`"), cells[1], id=cells[0])


@pytest.mark.parametrize(("line", "why"), list(refused()))
def test_what_cannot_be_turned_round_is_refused_with_that_reason(line: str, why: str) -> None:
    text = (
        "version: 1\nname: shown\nfrom: {connection: github, repositories: [a/b]}\n"
        "to: {connection: jira, project: WEB, type: Bug}\ndirection: two-way\n"
        "back: {from: {project: WEB}, to: {repository: a/b}}\n"
        f"mapping:\n  {line}\n"
    )
    with pytest.raises(ConfigError) as refusal:
        load({"connections.yaml": registered(CONNECTIONS), "shown.yaml": text}, SYSTEMS, TRANSFORMS, {})
    assert why in str(refusal.value)
    assert "say direction: '->'" in str(refusal.value)


def test_every_policy_is_told() -> None:
    told = {cells[0].strip("`") for cells in rows("| policy | meaning |")}
    assert told == {one.value for one in Policy}


def test_the_numbers_are_those_of_the_code() -> None:
    words = {5: "five", 10: "ten"}
    assert f"more than {words[LOOP]} times in {words[LOOP_MS // 60_000]} minutes" in PAGE
    assert f"up to {words[ROUNDS]} times in one attempt" in PAGE
    assert len(re.findall(r"^## ", PAGE, re.MULTILINE)) == 4
