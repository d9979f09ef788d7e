"""Tell a plan line by line, for a terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from connector.comparing import Difference
from workers.operating.changing import Plan

_SIGNS = {"added": "+", "removed": "-", "renamed": "~", "changed": "~"}


def lines(planned: Plan, *, markdown: bool = False) -> Iterator[str]:
    """Yield the lines of a plan; warnings are among them only in Markdown, a terminal shows them apart."""
    told = _markdown(planned) if markdown else _plain(planned)
    yield from told


def _plain(planned: Plan) -> Iterator[str]:
    before = f"{planned.before or 'nothing'}" + (f" (version {planned.number})" if planned.number else "")
    if not planned:
        yield f"{planned.after}: nothing would change"
        return
    yield f"{before} → {planned.after}"
    for title, text in _parts(planned):
        yield title
        for line in text:
            yield f"    {line}"
    if planned.draining:
        yield f"{', '.join(planned.draining)}: takes nothing new until another version is applied, which this one is"
    yield _summary(planned)


def _markdown(planned: Plan) -> Iterator[str]:
    yield "### Connector plan"
    yield ""
    if not planned:
        yield "Nothing would change."
        return
    yield f"{_summary(planned)}: `{planned.before or 'nothing'}` → `{planned.after}`"
    yield ""
    for title, text in _parts(planned):
        yield f"- **{_quoted(title)}**"
        for line in text:
            yield f"  - {_quoted(line)}"
    if planned.warnings:
        yield ""
        yield "**Think of this first**"
        yield ""
        for warning in planned.warnings:
            yield f"- {_quoted(warning)}"


def _parts(planned: Plan) -> Iterator[tuple[str, list[str]]]:
    if planned.comparison.instance is not None:
        yield f"~ {planned.comparison.instance.words}", []
    for one in planned.comparison.connections:
        users = planned.users.get(one.name, ())
        used = [f"used by {', '.join(users)}"] if users else []
        yield f"{_SIGNS[one.what]} connection {one.name}: {one.what}", [*(each.words for each in one.fields), *used]
    for one in planned.comparison.connectors:
        yield _title(one), list(_of(planned, one))


def _title(one: Difference) -> str:
    if one.what == "renamed":
        queue = f"queue connector.{one.formerly} → connector.{one.name}"
        return f"~ connector {one.name}: renamed from {one.formerly}; {queue}"
    return f"{_SIGNS[one.what]} connector {one.name}: {one.what}"


def _of(planned: Plan, one: Difference) -> Iterator[str]:
    yield from (each.words for each in one.fields)
    found = planned.open.get(one.uid)
    if found is not None and (found.in_flight or found.dead):
        yield found.words
    yield from (each.words for each in planned.revivals.get(one.uid, ()))


def _summary(planned: Plan) -> str:
    kinds = [one.what for one in planned.comparison.connectors]
    told = [f"{kinds.count(what)} {what}" for what in ("added", "changed", "renamed", "removed") if what in kinds]
    connectors = f"connectors: {', '.join(told)}" if told else "no connector differs"
    count = len(planned.comparison.connections)
    return connectors + (f"; {count} connection{'s differ' if count > 1 else ' differs'}" if count else "")


def _quoted(text: str) -> str:
    # What a file says must not become a heading, a link, a mention or a picture in a comment.
    for sign in "\\`*_{}[]<>#|!":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("@", "@\u200b")
