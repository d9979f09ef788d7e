"""Offer the named pure steps of a mapping: each is a function that checks its arguments and makes the step.

A transform is called once, when the configuration is loaded: it raises ValueError for arguments
that cannot be, and returns the function that every event goes through.  That function gets what
was read (never `MISSING`), and raises `Rejected` where a value cannot be transformed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from connector.transforms import lists, text, values

Transform = Callable[..., Callable[[Any], Any]]

TRANSFORMS: Final[Mapping[str, Transform]] = {
    made.__name__: made
    for made in (
        *(
            text.lower,
            text.upper,
            text.title,
            text.strip,
            text.truncate,
            text.slug,
            text.replace,
            text.regex,
            text.extract,
            text.prefix,
            text.suffix,
            text.split,
        ),
        *(values.date, values.number, values.yes_no),
        *(lists.join, lists.concat, lists.first, lists.last, lists.unique, lists.sort, lists.keep, lists.drop),
        *(values.default_if_empty, values.lookup, values.plain, values.markdown, values.person),
    )
}
"""Every transform by the name that users write."""
