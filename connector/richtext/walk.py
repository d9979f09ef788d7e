"""Change nodes of a tree wherever they stand, and keep everything that does not change the same object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar, cast

from connector.richtext.tree import (
    BulletList,
    Cell,
    Expand,
    Heading,
    Item,
    OrderedList,
    Panel,
    Paragraph,
    Quote,
    Section,
    Table,
    TaskList,
)

T = TypeVar("T")

INSIDE: Final[Mapping[type, str]] = {
    Paragraph: "inlines", Heading: "inlines", BulletList: "items", OrderedList: "items", TaskList: "items",
    Table: "rows", Item: "blocks", Cell: "blocks", Quote: "blocks", Panel: "blocks", Expand: "blocks",
    Section: "blocks",
}  # fmt: skip
"""The member of each node that holds what stands in it; rows of a table are tuples of cells."""


def mapped(value: T, change: Callable[[Any], Any]) -> T:
    """Return a node, or a tuple of nodes, with ``change`` made to every node in it, outermost first."""
    if isinstance(value, tuple):
        ones = tuple(mapped(one, change) for one in value)
        return cast("T", ones) if any(new is not old for new, old in zip(ones, value, strict=True)) else value
    made = change(value)
    name = INSIDE.get(type(made))
    if name is None:
        return cast("T", made)
    inside = getattr(made, name)
    new = mapped(inside, change)
    return cast("T", made if new is inside else replace(made, **{name: new}))
