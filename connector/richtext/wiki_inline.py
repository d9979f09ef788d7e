"""Read one stretch of Jira wiki text: signs around words, links, people, pictures, emoticons.

A line is first cut into atoms, then signs are paired by looking up the next place where each may
close, so that no text takes more than a few passes.  When a sign opens or closes follows the tests
of jira2markdown, which were compared with Jira's own rendering there.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from connector.richtext import emoji, urls
from connector.richtext.pairs import Group, Sign, pair
from connector.richtext.spans import image_as_link, joined
from connector.richtext.tree import (
    Break,
    Card,
    Emoji,
    Image,
    Inline,
    Inlines,
    Kind,
    Mark,
    Marks,
    Mention,
    Opaque,
    Run,
    Status,
    marked,
)

SIGNS: Final = {
    "*": Kind.STRONG, "_": Kind.EM, "-": Kind.STRIKE, "+": Kind.UNDERLINE, "^": Kind.SUP, "~": Kind.SUB, "??": Kind.EM,
}  # fmt: skip

_TOKEN: Final = re.compile(
    r"(?P<break>\\\\(?!\\))"
    r"|\\(?P<escaped>[!-/:-@\[-`{-~])"
    r"|(?P<entity>&(?:#[0-9]{1,7}|[a-z]{2,8});)"
    r"|\{\{(?P<code>(?:[^{}\n\\]|\\.|\{(?!\{)|\}(?!\}))+?)\}\}(?!\})"
    r"|\{(?P<forced>\?\?|[*_\-+^~])\}"
    r"|\{color:(?P<colour>[^{}\n]{1,40})\}|(?P<colour_end>\{color\})"
    r"|\{status(?P<status>:[^{}\n]{0,200})?\}|(?P<anchor>\{anchor(?::[^{}\n]{0,200})?\})"
    r"|\[(?P<link>(?:[^\[\]\n\\]|\\.){1,4000})\]"
    r"|(?P<image>!(?P<picture>[^\s!|\[\]{}][^!|\n\[\]{}]{0,2000})(?:\|[^!\n]{0,500})?!)"
    r"|(?P<emoticon>:[()PD]|;\)|\((?:[yni/x!+?*-]|on|flag)\))"
    r"|(?P<dash>(?<![^\s])-{2,3}(?![^\s]))"
    r"|(?P<url>https?://)"
    r"|(?P<sign>\?\?|[*_\-+^~])"
)
_PICTURE: Final = re.compile(r"[^\n]{1,2000}\.[A-Za-z][A-Za-z0-9]{1,4}(?:\?[^\s]{0,500})?$")
_LINK: Final = re.compile(r"(?:[a-z][a-z0-9+.-]{1,20}://|mailto:|www\.|#|/|tel:)", re.IGNORECASE)
_MAIL: Final = re.compile(r"[^\s@|]{1,100}@[^\s@|]{1,200}")
_CARDS: Final = frozenset({"smart-link", "smart-card", "smart-embed"})
_RGB: Final = re.compile(r"rgba?\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\b")


@dataclass(frozen=True, slots=True)
class _Colour:
    """Where text of another colour begins; "" where it ends."""

    value: str


_Atom = Inline | Sign | _Colour


def inlines(text: str, *, in_link: bool = False) -> Inlines:
    """Read a text; line feeds in it are breaks.  In the words of a link an address is only text."""
    done: list[Inline] = []
    colour: Marks = ()
    for number, line in enumerate(text.split("\n")):
        if number:
            done.append(Break())
        for part in _parted(_atoms(line, in_link=in_link)):
            groups, colour = _coloured(part, colour)
            done += pair(groups)
    return tuple(_unindented(joined(done)))


def _unindented(inlines: Iterable[Inline]) -> Iterator[Inline]:
    """Drop the space at the beginning of a line, which Jira does not show."""
    fresh = False
    for inline in inlines:
        if fresh and isinstance(inline, Run) and not any(mark.kind is Kind.CODE for mark in inline.marks):
            text = inline.text.lstrip(" ")
            if text:
                yield replace(inline, text=text)
        else:
            yield inline
        fresh = isinstance(inline, Break)


def _parted(atoms: Iterable[_Atom]) -> Iterator[list[_Atom]]:
    """Part atoms at breaks, each a part of its own: signs do not pair over them."""
    part: list[_Atom] = []
    for atom in atoms:
        if isinstance(atom, Break):
            yield part
            yield [atom]
            part = []
        else:
            part.append(atom)
    yield part


def _coloured(atoms: Iterable[_Atom], colour: Marks) -> tuple[list[Inline | Sign | Group], Marks]:
    """Put what has a colour of its own into groups: signs never pair across their edges.

    ``colour`` is what the line before left open; returned is what this one leaves open.
    """
    groups: list[Inline | Sign | Group] = []
    inner: list[Inline | Sign] = []
    for atom in atoms:
        if not isinstance(atom, _Colour):
            (inner if colour else groups).append(atom)
            continue
        if colour:
            groups.append(Group(tuple(inner), colour))
            inner = []
        colour = (Mark(Kind.COLOUR, atom.value),) if atom.value else ()
    if inner:
        groups.append(Group(tuple(inner), colour))
    return groups, colour


def _atoms(line: str, *, in_link: bool) -> Iterator[_Atom]:
    done = place = 0
    while found := _TOKEN.search(line, place):
        start, end = found.span()
        before = line[start - 1] if start else ""
        after = line[end] if end < len(line) else ""
        made = None if in_link and found["url"] else _atom(found, before, after, line)
        if made is None:
            place = start + 1
            continue
        if isinstance(made, Card) and found["url"]:
            end = start + len(made.url)
        if start > done:
            yield Run(line[done:start])
        yield from made if isinstance(made, tuple) else (made,)
        done = place = end
    if done < len(line):
        yield Run(line[done:])


def _atom(found: re.Match[str], before: str, after: str, line: str) -> _Atom | tuple[_Atom, ...] | None:
    """Read what a token stands for; None where it is only text."""
    word = before.isalnum()
    value = found[found.lastgroup] if found.lastgroup else ""
    match found.lastgroup:
        case "break":
            return Break()
        case "escaped":
            return Run(value)
        case "entity":
            return Run(html.unescape(value))
        case "code":
            return Run(unescaped(value), (Mark(Kind.CODE),)) if value.strip() else None
        case "forced":
            # Jira's own editor writes {*}bold{*} where the sign alone would not count.
            return Sign(found[0], SIGNS[value], opens=True, closes=True)
        case "colour" | "colour_end":
            return _Colour(_colour(value) if found["colour"] else "")
        case "status":
            return _status(value)
        case "anchor":
            return ()
        case "link":
            return link(value)
        case "image" | "picture":
            return None if word else _image(found["picture"])
        case "emoticon":
            return None if word or after.isalnum() else _emoticon(value)
        case "dash":
            return Run("–" if len(value) == 2 else "—")
        case "url":
            end = urls.bare_end(line, found.start()) if not word else 0
            return Card(line[found.start() : end]) if end > found.end() else None
        case _:
            return _sign(value, before, after)


def _sign(text: str, before: str, after: str) -> Sign:
    opens = not before.isalnum() and bool(after) and not after.isspace() and after != text[0]
    closes = bool(before) and not before.isspace() and not after.isalnum()
    return Sign(text, SIGNS[text], opens, closes)


def unescaped(text: str) -> str:
    """Return text without its backslashes, and with its entities resolved."""
    return re.sub(
        r"\\([!-/:-@\[-`{-~])|&(?:#[0-9]{1,7}|[a-z]{2,8});", lambda found: found[1] or html.unescape(found[0]), text
    )


def _colour(text: str) -> str:
    if rgb := _RGB.match(text.strip().lower()):
        return "#" + "".join(f"{min(int(part), 255):02x}" for part in rgb.groups())
    return text.strip()


def _status(options: str) -> Status | None:
    found = dict(part.partition("=")[::2] for part in options[1:].split("|") if "=" in part)
    words = unescaped(found.get("title", "")).strip()
    return Status(words, found.get("colour", "neutral").strip().lower()) if words else None


def _image(name: str) -> Image | None:
    return Image(name, name) if is_picture(name) else None


def is_picture(name: str) -> bool:
    """Tell the address or the file name of a picture: anything else between two ``!`` is text."""
    if any(letter in name for letter in "!|[]{}\n") or name[:1].isspace():
        return False
    return bool(name) and (urls.is_web(name) or _PICTURE.fullmatch(name) is not None)


def is_link(href: str) -> bool:
    """Tell an address that square brackets make a link of."""
    return _LINK.match(href) is not None and not any(letter.isspace() for letter in href)


def _emoticon(sign: str) -> Emoji:
    short = emoji.WIKI[sign]
    return Emoji(short, emoji.BY_NAME[short])


def link(body: str) -> tuple[_Atom, ...] | None:
    """Read what stands in square brackets: a person, an attachment, a link with or without words."""
    words, _, target = body.rpartition("|")
    if target.strip().lower() in _CARDS and words:
        words, _, target = words.rpartition("|")
        if words == target:
            words = ""
    target = target.strip()
    if target.startswith("~") and len(target) > 1:
        known = target[1:]
        account = known.lower().startswith("accountid:")
        return (Mention(known[len("accountid:") :] if account else known, words, account=account),)
    if target.startswith("^") and len(target) > 1:
        return (Opaque("wiki", f"[{body}]", unescaped(words) or target[1:]),)
    href = unescaped(target)
    if not is_link(href) and not (words and _MAIL.fullmatch(href)):
        return None
    href = f"https://{href}" if href.lower().startswith("www.") else href
    bare = href.removeprefix("mailto:")
    if not words.strip() or words == bare:
        return (Card(href) if bare == href else Run(bare, (Mark(Kind.LINK, href),)),)
    if (image := re.fullmatch(r"!([^!|]+)(?:\|[^!]*)?!", words)) and (picture := _image(image[1])):
        return (replace(picture, marks=(Mark(Kind.LINK, href),)),)
    return tuple(_linked(one, href) for one in inlines(words, in_link=True))


def _linked(inline: Inline, href: str) -> Inline:
    match inline:
        case Break() | Mention() | Opaque():
            return inline
        case Card(url, marks):
            return Run(url, marked((Mark(Kind.LINK, href),), *marks))
        case Image():
            return image_as_link(inline)
        case _:
            return replace(inline, marks=marked((Mark(Kind.LINK, href),), *inline.marks))
