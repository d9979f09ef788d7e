"""Read a value out of an event by JMESPath: natively where the path is plain, and never for long.

A plain dotted path (``raw.issue.milestone.title``) is by far the most common one and needs no
interpreter; it can also tell *the source did not say* from *known to be empty*, which JMESPath's
null cannot.  Everything else runs in an interpreter that counts what it touches and stops at
`BUDGET`, because an expression that doubles a list a few dozen times would otherwise fill any memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter

from connector.errors import Rejected


class _Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""The source did not say; different from None, which says *empty*."""

Tree = dict[str, Any]

Read = Callable[[Mapping[str, Any]], Any]
"""Reads a value from a view; returns `MISSING` where the source did not say."""

MOST_CHARACTERS: Final = 1_000
MOST_HEIGHT: Final = 40
BUDGET: Final = 1_500_000
"""Steps of one evaluation, about 0.5 s at worst: a step is a value copied, a visited node costs `VISIT`."""

VISIT: Final = 3

MOST_LEVELS: Final = 200
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def compile_read(text: str) -> Read:
    """Compile a path or expression; raises ValueError that says what is wrong with it."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"is longer than {MOST_CHARACTERS} characters")
    if _PLAIN.fullmatch(text):
        return _plain(tuple(text.split(".")))
    tree = _parsed(text)
    roots = tuple(_plain(path) for path in _roots(tree))

    def read(view: Mapping[str, Any]) -> Any:
        try:
            found = _Bounded().run(tree, view)
        except JMESPathError as error:
            # A function that got null for a string: nothing was there to work on, which is no error.
            held = [root(view) for root in roots]
            if MISSING in held:
                return MISSING
            if None in held:
                return None
            raise Rejected(f"{text}: {error}", cause="expression") from error
        if found is None and roots and all(root(view) is MISSING for root in roots):
            return MISSING
        return found

    return read


def compile_condition(text: str) -> Callable[[Mapping[str, Any]], bool]:
    """Compile an expression that is asked for its truth; absent, null and empty are false."""
    read = compile_read(text)

    def true(view: Mapping[str, Any]) -> bool:
        match read(view):
            case None | False | "" | _Missing():
                return False
            case list() | Mapping() as found:
                return bool(found)
            case _:
                return True  # also 0: JMESPath has no falsy numbers

    return true


def heads(text: str) -> frozenset[str]:
    """Return the names that an expression starts from: ``labels`` and ``state`` for ``labels[0] || state``."""
    return frozenset(path[0] for path in _roots(_parsed(text)))


def _plain(path: tuple[str, ...]) -> Read:
    if len(path) == 1:
        (only,) = path
        return lambda view: view.get(only, MISSING)

    def read(view: Mapping[str, Any]) -> Any:
        found: Any = view
        for step in path:
            if found is None:
                return None  # an empty milestone has an empty title
            if not isinstance(found, Mapping) or step not in found:
                return MISSING
            found = found[step]
        return found

    return read


def _parsed(text: str) -> dict[str, Any]:
    if not text.strip():
        raise ValueError("is empty")
    try:
        tree: Tree = dict(jmespath.compile(text).parsed)
        _check(tree, MOST_HEIGHT)
    except JMESPathError as error:
        reason = str(error).partition(", for expression")[0].partition("\n")[0]
        reason = reason.removeprefix("Invalid jmespath expression: ").rstrip(":. ").lower()
        raise ValueError(f"is not a JMESPath expression: {reason}") from error
    except RecursionError as error:
        raise ValueError("is too deeply nested") from error
    return tree


def _check(tree: Tree, height: int) -> None:
    """Refuse functions that do not exist, and trees that would exhaust the stack, before any event."""
    if height == 0:
        raise ValueError(f"is nested deeper than {MOST_HEIGHT}")
    if tree["type"] == "function_expression" and tree["value"] not in _FUNCTIONS:
        raise ValueError(f"there is no function {tree['value']}(); known: {', '.join(sorted(_FUNCTIONS))}")
    for child in tree.get("children", ()):
        if isinstance(child, dict):
            _check(child, height - 1)


def _roots(tree: Tree) -> list[tuple[str, ...]]:
    """Return the plain paths that an expression starts from: ``labels`` for ``labels[?@ == 'x'] | [0]``."""
    match tree["type"]:
        case "field":
            return [(tree["value"],)]
        case "subexpression" if all(child["type"] == "field" for child in tree["children"]):
            return [tuple(child["value"] for child in tree["children"])]
        case "subexpression" | "index_expression" | "projection" | "filter_projection" | "flatten" | "pipe":
            return _roots(tree["children"][0])
        case "value_projection" | "key_val_pair" | "not_expression":
            return _roots(tree["children"][0])
        case "expref" | "literal" | "current" | "identity" | "index" | "slice":
            return []
        case _:
            return [root for child in tree["children"] if isinstance(child, dict) for root in _roots(child)]


class _Bounded(TreeInterpreter):
    """Evaluates one expression and pays for every node visited and every value built."""

    def __init__(self) -> None:
        self.functions = jmespath.functions.Functions()
        super().__init__(jmespath.Options(dict_cls=dict, custom_functions=self.functions))
        self.left = BUDGET

    def run(self, tree: Tree, view: Mapping[str, Any]) -> Any:
        found = self.visit(tree, view)
        if isinstance(found, list | dict):
            self.weigh(found)  # shared parts would be written out as often as they are named
        return found

    def pay(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise Rejected("the expression takes too long on this event", cause="expression:budget")

    def weigh(self, value: Any) -> None:
        """Pay for a value as if it were copied, before somebody copies or compares it."""
        level, depth = [value], 0
        while level:
            depth += 1
            if depth > MOST_LEVELS:
                raise Rejected("the event is nested too deeply", cause="expression:budget")
            below: list[Any] = []
            for one in level:
                if isinstance(one, str):
                    self.pay(1 + len(one) // 256)
                elif isinstance(one, list):
                    self.pay(1 + len(one))
                    below.extend(one)
                elif isinstance(one, Mapping):
                    self.pay(1 + 2 * len(one))
                    below.extend(one.values())
            level = below

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self.pay(VISIT)
        found = super().visit(node, *args, **kwargs)
        if isinstance(found, list):
            self.pay(len(found) // 4)
        return found

    def visit_comparator(self, node: Any, value: Any) -> Any:
        for child in node["children"]:
            side = self.visit(child, value)
            if isinstance(side, list | dict | str):
                self.weigh(side)
        return super().visit_comparator(node, value)

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        arguments = [self.visit(child, value) for child in node["children"]]
        for argument in arguments:
            if node["value"] not in _SHALLOW:
                self.weigh(argument)
            elif isinstance(argument, list | dict | str):
                self.pay(len(argument))
        return self.functions.call_function(node["value"], arguments)

    def visit_flatten(self, node: Any, value: Any) -> Any:
        found = self.visit(node["children"][0], value)
        if isinstance(found, list):
            self.pay(sum(len(item) for item in found if isinstance(item, list)))
        flat: Tree = {**node, "children": [{"type": "literal", "value": found, "children": []}]}
        return super().visit_flatten(flat, value)  # type: ignore[arg-type]  # the stubs' node type is private


_SHALLOW: Final = frozenset(
    {"length", "keys", "values", "reverse", "sort_by", "max_by", "min_by", "map", "type", "to_array"}
)
"""Functions that look at a list's items without copying or comparing what is in them."""

_FUNCTIONS: Final = frozenset(jmespath.functions.Functions.FUNCTION_TABLE)
