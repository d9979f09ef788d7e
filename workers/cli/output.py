"""Print for people and for scripts, and turn errors into one clear sentence and an exit code."""

from __future__ import annotations

import errno
import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from connector.errors import ConfigError, ConnectorError

FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3

# In a pipe or a log there is no width to fit into: rows stay on one line.
console: Final = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 200)
errors: Final = Console(stderr=True, highlight=False, soft_wrap=True)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


class Commands(click.Group):
    """A group whose commands fail with a sentence instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; known failures end with their exit code."""
        from workers.embedded import CannotStart
        from workers.process import NoServers
        from workers.stores.scripts import StoreError

        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for problem in error.problems:
                say(str(problem), where=errors)
            say(f"{len(error.problems)} problem(s); nothing was started", style="bold red", where=errors)
            sys.exit(USAGE)
        except (NoServers, CannotStart) as error:
            fail(str(error), UNREACHABLE)
        except StoreError as error:
            fail(
                f"the store cannot be reached: {error}; check STORE_URL, or run 'connector up'",
                UNREACHABLE,
            )
        except ConnectorError as error:
            fail(f"{type(error).__name__}: {error}", FAILED)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # whoever read our output has seen enough; click ends quietly
            where = f"{error.filename}: " if error.filename else ""
            fail(f"{where}{error.strerror or error}", FAILED)


def fail(message: str, code: int = FAILED) -> NoReturn:
    """Say what is wrong and end."""
    say(f"connector: {message}", style="red", where=errors)
    sys.exit(code)


def say(text: str, *, style: str = "", where: Console = console) -> None:
    """Print a line for people; what came from outside can neither style it nor command the terminal."""
    where.print(Text(shown(text), style=style))


def shown(text: str) -> str:
    """Return a text without what a terminal would obey and what cannot be encoded."""
    return _UNSHOWN.sub("\ufffd", text)


_UNSHOWN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls but tab and line feed, overrides of the direction of text, and halves of characters."""


def print_json(document: Any) -> None:
    """Print one JSON document on one line."""
    text = json.dumps(document, ensure_ascii=False, default=str)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(document, default=str)
    click.echo(text)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """Print a table; cells are shown as text, never as markup."""
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(str(cell))) for cell in row))
    console.print(table)


def progressing(*, quiet: bool, where: Console = console) -> Progress:
    """Return a line that moves while something long is done; nothing where ``quiet``."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description} {task.completed}"),
        TimeElapsedColumn(),
        console=where,
        disable=quiet,
    )


def when(milliseconds: float | str) -> str:
    """Show a time given in ms."""
    try:
        return datetime.fromtimestamp(float(milliseconds) / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return ""
