"""Word messages, comments and mapped text by small Jinja templates that outsiders' values cannot break.

A template is written by whoever configures a connector; the values in it are written by anybody who
can open an issue.  So values are escaped: they cannot become Markdown, mentions, references or links.
Rich text (a `Text`) goes in as its own Markdown, with the structure its author gave it.

The language is a list of what is allowed, not of what is forbidden: names, members, ``if``, ``for``,
``set``, comparisons, ``~`` and our own filters.  Nothing can be called, and members are looked up in
mappings and lists only, never on Python objects; the immutable sandbox stands behind that as a second
fence.  Loops, text built and output are bounded.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from connector import richtext
from connector.declare import near
from connector.errors import Rejected
from connector.event import Text
from connector.mapping import NAMES
from connector.markdown import Safe, escaped
from connector.wording_filters import FILTERS, Room, shown, url_of

LIMIT: Final = 20_000
"""Characters of plain values in one output; what is longer is cut and says so."""

MOST_CHARACTERS: Final = 10_000
MOST_HEIGHT: Final = 60

_ALLOWED: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem),
    *(nodes.If, nodes.For, nodes.Assign, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or),
    *(nodes.Not, nodes.Filter, nodes.Test, nodes.Concat, nodes.List, nodes.Tuple, nodes.Slice, nodes.Neg),
)
_TESTS: Final = ("defined", "undefined", "none", "string", "number", "sequence", "mapping", "in", "true", "false")
_ROOM: Final = "_room"
_PUBLIC: Final = tuple(name for name in FILTERS if not name.startswith("_"))


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja with members of mappings and lists only."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext) and attribute in {"index", "index0", "first", "last", "length"}:
            return getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping) and argument in obj:
            return obj[argument]
        if isinstance(obj, list | tuple | str) and isinstance(argument, slice):
            return obj[argument]
        if isinstance(obj, list | tuple) and isinstance(argument, int) and -len(obj) <= argument < len(obj):
            return obj[argument]
        return self.undefined(obj=obj, name=str(argument))

    def is_safe_callable(self, obj: Any) -> bool:
        del obj
        return False


@jinja2.pass_context
def _written(context: Any, value: Any) -> str:
    """Write one value into the output: escaped unless it is rich text or made by a filter of ours."""
    room: Room = context[_ROOM]
    match value:
        case Safe():
            return room.take(value)
        case {"format": str(), "content": _}:
            return room.take(Safe(richtext.convert(cast("Text", value), "markdown", limit=room.rich()).content.strip()))
        case _:
            return escaped(room.cut(shown(value)))


def _environment() -> _Environment:
    made = _Environment(
        undefined=jinja2.ChainableUndefined,
        finalize=_written,
        autoescape=False,
        keep_trailing_newline=False,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=0,
    )
    made.filters = dict(FILTERS)
    made.tests = {name: made.tests[name] for name in _TESTS}
    made.globals = {}
    return made


_ENVIRONMENT: Final = _environment()


class Wording:
    """A compiled template; see `compile_wording`."""

    __slots__ = ("_template",)

    def __init__(self, template: jinja2.Template) -> None:
        self._template = template

    def __call__(self, view: Mapping[str, Any]) -> Text:
        """Render over a view (see `mapping.view`); raises `Rejected`."""
        room = Room(LIMIT)
        pieces: Iterator[str] = self._template.generate({**_with_urls(view), _ROOM: room})
        try:
            content = "".join(room.pieces(pieces))
        except SecurityError as error:
            raise Rejected(f"the template may not do that: {error}", cause="template:security") from error
        except (jinja2.TemplateError, TypeError, ValueError, RecursionError) as error:
            raise Rejected(f"the template fails on this event: {error}", cause="template:error") from error
        return {"format": "markdown", "content": content.strip()}


def compile_wording(text: str) -> Wording:
    """Compile a template; raises ValueError that says what is wrong with it, and in which of its lines."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"is longer than {MOST_CHARACTERS} characters")
    try:
        tree = _ENVIRONMENT.parse(text)
        _check(tree, MOST_HEIGHT)
        _bound(tree)
        template = jinja2.Template.from_code(
            _ENVIRONMENT, _ENVIRONMENT.compile(tree), _ENVIRONMENT.make_globals(None), None
        )
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno} of the template: {error.message}") from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    return Wording(template)


@functools.lru_cache(maxsize=2_048)
def _remembered(text: str) -> Wording:
    return compile_wording(text)


def render(template: str, view: Mapping[str, Any]) -> Text:
    """Render a template over a view; compiled once.  Is a `mapping.Render`."""
    return _remembered(template)(view)


# --- what a template may hold ------------------------------------------------------------------------
def _check(node: nodes.Node, height: int, bound: frozenset[str] = frozenset()) -> frozenset[str]:
    """Refuse every node that is not allowed and every name that nobody fills.

    Returns the names that the node itself sets, for its later neighbours.
    """
    where = f"line {node.lineno} of the template: "
    if height == 0:
        raise ValueError(f"{where}is nested deeper than {MOST_HEIGHT}")
    if not isinstance(node, _ALLOWED):
        raise ValueError(f"{where}{_refusal(node)}")  # noqa: TRY004 - callers know one kind of refusal
    sets: frozenset[str] = frozenset()
    match node:
        case nodes.Name(ctx="load") if node.name not in bound and node.name not in NAMES:
            raise ValueError(f"{where}there is no {node.name!r}{near(node.name, NAMES)}")
        case nodes.Name(ctx="store"):
            if node.name.startswith("_"):
                raise ValueError(f"{where}names must not start with an underscore")
            return frozenset({node.name})
        case nodes.Getattr() if node.attr.startswith("_"):
            raise ValueError(f"{where}members must not start with an underscore")
        case nodes.Filter() if node.name not in _PUBLIC:
            raise ValueError(f"{where}there is no filter {node.name!r}{near(node.name, _PUBLIC)}")
        case nodes.Filter() if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise ValueError(f"{where}arguments cannot be unpacked")
        case nodes.Test() if node.name not in _TESTS:
            raise ValueError(f"{where}there is no test {node.name!r}{near(node.name, _TESTS)}")
        case nodes.For():
            if node.recursive:
                raise ValueError(f"{where}loops cannot be recursive")
            inner = bound | {"loop"} | _check(node.target, height - 1, bound)
            _check(node.iter, height - 1, bound)
            _check_all([*([node.test] if node.test else []), *node.body, *node.else_], height, inner)
            return sets
        case nodes.Assign():
            _check(node.node, height - 1, bound)
            return _check(node.target, height - 1, bound)
    return sets | _check_all(list(_children(node)), height, bound)


def _children(node: nodes.Node) -> Iterator[nodes.Node]:
    for child in node.iter_child_nodes():
        if isinstance(child, nodes.Keyword | nodes.Pair):
            yield from child.iter_child_nodes()
        else:
            yield child


def _check_all(found: list[nodes.Node], height: int, bound: frozenset[str]) -> frozenset[str]:
    sets: frozenset[str] = frozenset()
    for one in found:
        sets |= _check(one, height - 1, bound | sets)
    return sets


def _refusal(node: nodes.Node) -> str:
    match node:
        case nodes.Call():
            return "nothing can be called in a template; use filters"
        case nodes.BinExpr():
            return f"the operator {node.operator} is not allowed; join text with ~"
        case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends():
            return "templates cannot load other templates"
        case _:
            return f"{type(node).__name__.lower()} is not allowed in a template"


def _bound(tree: nodes.Template) -> None:
    """Rewrite loops and ``~`` so that they go through filters that count."""
    for loop in tree.find_all(nodes.For):
        loop.iter = _filter(cast("nodes.Expr", loop.iter), "_counted")
    _bound_joins(tree)


def _bound_joins(node: nodes.Node) -> None:
    for name in node.fields:
        value = getattr(node, name)
        if isinstance(value, list):
            setattr(node, name, [_joined(item) for item in value])
        else:
            setattr(node, name, _joined(value))
    for child in node.iter_child_nodes():
        _bound_joins(child)


def _joined(value: Any) -> Any:
    if isinstance(value, nodes.Concat):
        return _filter(nodes.List(value.nodes, lineno=value.lineno), "_joined")
    return value


def _filter(node: nodes.Expr, name: str) -> nodes.Filter:
    made = nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
    made.set_environment(_ENVIRONMENT)
    return made


def _with_urls(view: Mapping[str, Any]) -> dict[str, Any]:
    """Return the view with its own URLs (which systems give, not people) marked as links."""
    seen = dict(view)
    for key in ("comment", "entity"):
        inner = seen.get(key)
        if isinstance(inner, Mapping) and inner.get("url"):
            seen[key] = {**inner, "url": url_of(inner["url"])}
    if seen.get("url"):
        seen["url"] = url_of(seen["url"])
    return seen
