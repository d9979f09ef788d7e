"""Ask a person: with menus where the terminal can show them, line by line where it cannot.

Both ways have one set of verbs (`Asker`), so whoever asks does not know which it is.  Every verb raises
KeyboardInterrupt where the person gives up, and click.Abort where the input has ended.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import click

from workers.cli.output import shown

Check = Callable[[str], str]
"""Says what is wrong with an answer, "" where nothing is."""

ROWS: Final = 20
"""Lines of a list that are shown at once where there are no menus."""

_DUMB: Final = frozenset({"", "dumb", "unknown"})


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to choose: the value that is meant, and what is shown of it."""

    value: str
    title: str


class Asker(Protocol):
    """Asks one question at a time."""

    def text(self, question: str, *, default: str, check: Check) -> str:
        """Ask for a line; asks again until ``check`` has nothing against it."""
        ...

    def secret(self, question: str, *, check: Check) -> str:
        """Ask for a credential, which is shown nowhere."""
        ...

    def confirm(self, question: str, *, default: bool) -> bool:
        """Ask yes or no."""
        ...

    def choose(self, question: str, options: Sequence[Option], *, default: str = "") -> str:
        """Let one of several be chosen; returns its value."""
        ...

    def choose_many(self, question: str, options: Sequence[Option]) -> list[str]:
        """Let at least one of several be chosen; returns their values in the order of the list."""
        ...


def asker() -> Asker:
    """Return the way to ask that this terminal is fit for."""
    seen = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "") not in _DUMB
    return Menus() if seen else Lines()


class Menus:
    """Ask with arrow keys, and narrow long lists down by typing."""

    def text(self, question: str, *, default: str, check: Check) -> str:
        """See `Asker`."""
        import questionary

        answer: str = questionary.text(
            shown(question), default=default, validate=lambda given: check(given.strip()) or True
        ).unsafe_ask()
        return answer.strip()

    def secret(self, question: str, *, check: Check) -> str:
        """See `Asker`."""
        import questionary

        answer: str = questionary.password(
            shown(question), validate=lambda given: check(given.strip()) or True
        ).unsafe_ask()
        return answer.strip()

    def confirm(self, question: str, *, default: bool) -> bool:
        """See `Asker`."""
        import questionary

        return bool(questionary.confirm(shown(question), default=default).unsafe_ask())

    def choose(self, question: str, options: Sequence[Option], *, default: str = "") -> str:
        """See `Asker`."""
        import questionary

        choices = [questionary.Choice(shown(one.title), value=one.value) for one in options]
        chosen = next((one for one in choices if one.value == default), None)
        return str(
            questionary.select(
                shown(question), choices, default=chosen, use_search_filter=len(choices) > 1, use_jk_keys=False
            ).unsafe_ask()
        )

    def choose_many(self, question: str, options: Sequence[Option]) -> list[str]:
        """See `Asker`."""
        import questionary

        choices = [questionary.Choice(shown(one.title), value=one.value) for one in options]
        found = questionary.checkbox(
            shown(question),
            choices,
            validate=lambda chosen: True if chosen else "mark at least one with the space bar",
            use_search_filter=len(choices) > 1,
            use_jk_keys=False,
        ).unsafe_ask()
        return [str(one) for one in found]


class Lines:
    """Ask line by line, on any terminal and through a pipe."""

    def text(self, question: str, *, default: str, check: Check) -> str:
        """See `Asker`."""
        while True:
            told = f"{question} [{default}]" if default else question
            answer = _line(told) or default
            if not (wrong := check(answer)):
                return answer
            _say(f"  {wrong}")

    def secret(self, question: str, *, check: Check) -> str:
        """See `Asker`; through a pipe nothing echoes what is read."""
        while True:
            hidden = sys.stdin.isatty()
            answer = getpass.getpass(f"{shown(question)}: ").strip() if hidden else _line(question)
            if not (wrong := check(answer)):
                return answer
            _say(f"  {wrong}")

    def confirm(self, question: str, *, default: bool) -> bool:
        """See `Asker`."""
        known = {"y": True, "yes": True, "n": False, "no": False, "": default}
        answer = self.text(
            f"{question} ({'Y/n' if default else 'y/N'})",
            default="",
            check=lambda given: "" if given.lower() in known else "answer y or n",
        )
        return known[answer.lower()]

    def choose(self, question: str, options: Sequence[Option], *, default: str = "") -> str:
        """See `Asker`; answered by number, by value, or by a part of the text, which narrows the list down."""
        left = list(options)
        while True:
            answer = self._from(question, left, default)
            found = _meant(answer, left)
            if len(found) == 1:
                return found[0].value
            if found:
                left = found
            else:
                _say(f"  nothing here is called {answer!r}")
                left = list(options)

    def choose_many(self, question: str, options: Sequence[Option]) -> list[str]:
        """See `Asker`; several answers are separated by commas."""
        while True:
            answer = self._from(f"{question}, several separated by commas", options, "")
            words = [one.strip() for one in answer.split(",") if one.strip()]
            found = [_meant(word, options) for word in words]
            vague = [word for word, meant in zip(words, found, strict=True) if len(meant) != 1]
            if words and not vague:
                chosen = {meant[0].value for meant in found}
                return [one.value for one in options if one.value in chosen]
            _say(f"  {', '.join(map(repr, vague)) or 'an empty answer'} names none of them, or more than one")

    def _from(self, question: str, options: Sequence[Option], default: str) -> str:
        _say(question)
        for number, one in enumerate(options[:ROWS], 1):
            _say(f"  {number:>3}  {one.title}")
        if len(options) > ROWS:
            _say(f"       and {len(options) - ROWS} more; a part of a name narrows the list down")
        return self.text("number or name", default=default, check=lambda given: "" if given else "is needed")


def _meant(answer: str, options: Sequence[Option]) -> list[Option]:
    if answer.isdigit() and 0 < int(answer) <= min(len(options), ROWS):
        return [options[int(answer) - 1]]
    word = answer.casefold()
    exact = [one for one in options if word in {one.value.casefold(), one.title.casefold()}]
    return exact or [one for one in options if word in one.title.casefold() or word in one.value.casefold()]


def _line(question: str) -> str:
    click.echo(f"{shown(question)}: ", nl=False)
    answer: str = sys.stdin.readline()
    if not answer:
        click.echo()
        raise click.Abort
    if not sys.stdin.isatty():
        click.echo()
    return answer.strip()


def _say(text: str) -> None:
    click.echo(shown(text))
