"""Hand the machinery of mappings to planning, compiled once per rule."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from connector.expression import compile_condition
from connector.mapping import Mapped, Rule, Tools, apply, view
from connector.transforms import TRANSFORMS
from connector.wording import render


@lru_cache(maxsize=4096)
def _condition(text: str) -> Any:
    return compile_condition(text)


def tools() -> Tools:
    """Return the machinery."""

    def mapped(rules: tuple[Rule, ...], seen: Mapping[str, Any]) -> Mapped:
        return apply(rules, seen, TRANSFORMS, render)

    return Tools(view=view, apply=mapped, render=render, holds=lambda text, seen: bool(_condition(text)(seen)))
