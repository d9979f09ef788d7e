"""Bring flat inlines into the shape that markup can express: tidy runs, then spans inside spans.

Every format that writes marks as signs around text has the same troubles: white space at the inside
edge of a sign, marks over a line's end, runs split where nothing changes.  They are settled here once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from connector.richtext import urls
from connector.richtext.tree import (
    Break,
    Card,
    Image,
    Inline,
    Inlines,
    Kind,
    Losses,
    Mark,
    Marks,
    Run,
    marked,
)

_GONE: Final = {code: None for code in range(0x20) if code not in {0x09, 0x0A}} | {0x7F: None}
_LINES: Final = {0x85: "\n", 0x0B: "\n", 0x0C: "\n", 0x0D: "\n"}
_CLEAN: Final = {**_GONE, **_LINES}


@dataclass(frozen=True, slots=True)
class Span:
    """A mark around what it covers."""

    mark: Mark
    children: tuple[Span | Inline, ...]


Node = Span | Inline


def clean(text: str) -> str:
    """Return a text with line feeds as its only line ends, and without what no format can carry.

    Control characters go; a lone surrogate (JSON can spell one) could not even be encoded.
    """
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n").translate(_CLEAN)
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        text = "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text)
    return text


def tidy(
    inlines: Iterable[Inline],
    marks: frozenset[Kind],
    losses: Losses,
    lost: Mapping[Kind, str],
    *,
    edges: bool = True,
) -> Inlines:
    """Make inlines canonical for a format that has ``marks``.

    ``lost`` says in words what dropping a mark means; a kind that is in neither goes silently (a
    colour nobody would miss).  Lines begin and end with text (``edges``), every bare address is a
    `Card`, no run is empty, no mark begins or ends with white space, no neighbours are alike.
    """
    # Joined first: an address may go over several runs that differ in nothing.
    runs = joined(_within(inline, marks, losses, lost) for inline in inlines)
    pieces = _hoisted(list(_pieces(runs)))
    whole = [_carded(piece) for piece in joined(pieces)]
    return tuple(_trimmed(whole)) if edges else tuple(whole)


def _pieces(inlines: Iterable[Inline]) -> Iterator[Inline]:
    """Cut runs at lines, and addresses out of them."""
    for inline in inlines:
        match inline:
            case Run(text, run_marks):
                kinds = {mark.kind for mark in run_marks}
                if Kind.CODE in kinds:
                    code = clean(text).replace("\n", " ")
                    yield (
                        Run(code, run_marks)
                        if code.strip()
                        else Run(code, tuple(mark for mark in run_marks if mark.kind is not Kind.CODE))
                    )
                    continue
                yield from _lines(clean(text), run_marks, split=Kind.LINK not in kinds)
            case Card(url, card_marks):
                href = urls.safe(url)
                if href:
                    yield Card(href, tuple(mark for mark in card_marks if mark.kind is not Kind.LINK))
                elif url.strip():
                    yield from _lines(clean(url), (), split=False)
            case _:
                yield inline


def _lines(text: str, marks: Marks, *, split: bool) -> Iterator[Inline]:
    for number, line in enumerate(text.split("\n")):
        if number:
            yield Break()
        if not split:
            yield Run(line, marks)
            continue
        for piece, is_url in urls.split(line):
            yield Card(piece, marks) if is_url else Run(piece, marks)


def _within(inline: Inline, kinds: frozenset[Kind], losses: Losses, lost: Mapping[Kind, str]) -> Inline:
    """Keep only marks that the format has; unsafe links lose their address."""
    if isinstance(inline, Break) or not inline.marks:
        return inline
    kept: list[Mark] = []
    for mark in inline.marks:
        if mark.kind is Kind.CODE and not isinstance(inline, Run):
            continue  # code is text; a person or a picture is none
        if mark.kind not in kinds:
            if mark.kind in lost:
                losses.add(lost[mark.kind])
        elif mark.kind is not Kind.LINK:
            kept.append(mark)
        elif href := urls.safe(mark.value):
            kept.append(Mark(Kind.LINK, href))
        else:
            losses.add("link without its address: it is not one that may be clicked")
    return replace(inline, marks=tuple(kept))


def _carded(inline: Inline) -> Inline:
    """Take a link whose words are its address for a bare address."""
    if isinstance(inline, Run) and Mark(Kind.LINK, inline.text) in inline.marks and not _is_code(inline):
        return Card(inline.text, tuple(mark for mark in inline.marks if mark.kind is not Kind.LINK))
    return inline


def _hoisted(pieces: list[Inline]) -> list[Inline]:
    """Move white space out of marks that end next to it."""
    cut: list[Inline] = []
    for piece in pieces:
        if not isinstance(piece, Run) or not piece.marks or _is_code(piece):
            cut.append(piece)
            continue
        core = piece.text.strip()
        start = piece.text.find(core) if core else len(piece.text)
        end = start + len(core)
        parts = (piece.text[:start], piece.text[start:end], piece.text[end:])
        cut += [Run(part, piece.marks) for part in parts if part]
    right: Marks = ()
    after: list[Marks] = []
    for piece in reversed(cut):
        after.append(right)
        if not (isinstance(piece, Run) and piece.text.isspace()):
            right = piece.marks
    after.reverse()
    left: Marks = ()
    done: list[Inline] = []
    for piece, following in zip(cut, after, strict=True):
        if isinstance(piece, Run) and piece.text.isspace() and piece.marks:
            both = tuple(
                mark for mark in piece.marks if mark in left and mark in following and mark.kind is not Kind.CODE
            )
            done.append(Run(piece.text, both))
        else:
            done.append(piece)
            if not (isinstance(piece, Run) and piece.text.isspace()):
                left = piece.marks
    return done


def joined(pieces: Iterable[Inline]) -> list[Inline]:
    """Return inlines without empty runs, neighbours that differ in nothing being one."""
    done: list[Inline] = []
    for piece in pieces:
        if isinstance(piece, Run):
            if not piece.text:
                continue
            last = done[-1] if done else None
            if isinstance(last, Run) and last.marks == piece.marks:
                done[-1] = Run(last.text + piece.text, last.marks)
                continue
        done.append(piece)
    return done


def _trimmed(inlines: list[Inline]) -> list[Inline]:
    """Take white space off the ends of every line, and empty lines off the ends of the paragraph."""
    lines: list[list[Inline]] = [[]]
    for inline in inlines:
        if isinstance(inline, Break):
            lines.append([])
        else:
            lines[-1].append(inline)
    stripped = [_strip(_strip(line, last=False), last=True) for line in lines]
    while stripped and not stripped[0]:
        del stripped[0]
    while stripped and not stripped[-1]:
        del stripped[-1]
    done: list[Inline] = []
    for number, line in enumerate(stripped):
        if number:
            done.append(Break())
        done += line
    return done


def _strip(line: list[Inline], *, last: bool) -> list[Inline]:
    place = -1 if last else 0
    while line:
        edge = line[place]
        if not isinstance(edge, Run) or _is_code(edge):
            return line
        text = edge.text.rstrip() if last else edge.text.lstrip()
        if text:
            rest = line[:-1] if last else line[1:]
            return [*rest, replace(edge, text=text)] if last else [replace(edge, text=text), *rest]
        line = line[:-1] if last else line[1:]
    return line


def _is_code(run: Run) -> bool:
    return any(mark.kind is Kind.CODE for mark in run.marks)


def nest(inlines: Sequence[Inline], last: frozenset[Kind] = frozenset()) -> tuple[Node, ...]:
    """Turn flat inlines into spans in spans: the widest mark outermost, kinds in ``last`` innermost.

    Code is never a span: a run of code is a leaf that keeps its mark.
    """
    return tuple(_nest([(inline, _open(inline)) for inline in inlines], last))


def _open(inline: Inline) -> Marks:
    return tuple(mark for mark in inline.marks if mark.kind is not Kind.CODE)


def _nest(items: list[tuple[Inline, Marks]], last: frozenset[Kind]) -> Iterator[Node]:
    place = 0
    while place < len(items):
        inline, marks = items[place]
        if not marks:
            yield inline
            place += 1
            continue
        first = [mark for mark in marks if mark.kind not in last] or list(marks)
        widest, end = first[0], place
        for mark in first:
            stop = place
            while stop < len(items) and mark in items[stop][1]:
                stop += 1
            if stop > end:
                widest, end = mark, stop
        inside = [(one, tuple(mark for mark in left if mark != widest)) for one, left in items[place:end]]
        yield Span(widest, tuple(_nest(inside, last)))
        place = end


def lines(inlines: Iterable[Inline], show: Callable[[Inline], str]) -> str:
    """Return inlines as text, each shown by ``show``."""
    return "".join(show(inline) for inline in inlines)


def link(url: str, text: str, marks: Marks = ()) -> Inline:
    """Return a link; an address with no words of its own is a `Card`."""
    return Run(text, marked(marks, Mark(Kind.LINK, url))) if text else Card(url, marks)


def image_as_link(image: Image) -> Inline:
    """Return a picture as a link to it, for formats or places that show none."""
    return Run(image.alt or image.url, marked(image.marks, Mark(Kind.LINK, image.url)))
