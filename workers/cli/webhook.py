"""Install, look at, try and remove the webhooks that tell us of changes at once."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from connector.errors import Unauthorized
from workers.cli.output import FAILED, USAGE, as_json, console, fail, print_json, say, when
from workers.cli.parts import parts, wired

if TYPE_CHECKING:
    from workers.desk import Desk
    from workers.operating.webhooks import Done, Plan
    from workers.process import Process

_STYLES: Final = {"create": "green", "update": "green", "remove": "yellow", "leave": "yellow", "keep": ""}
_SECRET_BYTES: Final = 32

names = click.argument("connections", nargs=-1, metavar="[CONNECTION]...")
public_url = click.option(
    "--public-url", metavar="URL", help="Address that the receiver is reached at from outside (PUBLIC_URL)."
)
former_url = click.option(
    "--former-url", multiple=True, metavar="URL", help="An earlier public URL, whose webhooks are ours too; repeatable."
)
yes = click.option("--yes", is_flag=True, help="Ask nothing.")


@click.group()
def webhook() -> None:
    """Have systems tell us of changes at once: install, look at, try and remove their webhooks."""


# --- install ---------------------------------------------------------------------------------------------------
@webhook.command()
@names
@public_url
@former_url
@click.option("--renew", is_flag=True, help="Write them anew, secret and all, though nothing seems to differ.")
@click.option("--wait", default=0, hidden=True, help="Seconds to wait for our own receiver first.")
@yes
@as_json
def install(
    connections: tuple[str, ...],
    public_url: str | None,
    former_url: tuple[str, ...],
    *,
    renew: bool,
    wait: int,
    yes: bool,
    as_json: bool,
) -> None:
    """Bring the webhooks of CONNECTIONs to what they should be; all that a connector reads from by default.

    Creates what is missing, repairs what differs, moves what points to an earlier public URL of ours, and removes
    doubles after that.  Webhooks of others are never touched.  Where an API cannot do it, says what to do by hand.
    """
    from workers.operating import webhooks

    if as_json and not yes:
        fail("with --json nothing can be asked: add --yes", USAGE)
    process, desk, _ = _desk()
    chosen, base = _chosen(desk, connections), _base(process, desk, public_url, connections)
    if wait:
        _await_receiver(process, wait)
    former = [checked(url) for url in former_url]
    plans = [webhooks.plan(desk, process.reveal, name, base, former=former, renew=renew) for name in chosen]
    if not as_json:
        for made in plans:
            _show(made)
            if made.lacks and not wait:  # beside other processes nobody reads it, and their output is kept
                _offer_secret(process, desk, made.connection, yes=yes)
    _carry_out(desk, plans, base, yes=yes, as_json=as_json, named=connections)


@webhook.command()
@names
@public_url
@former_url
@yes
@as_json
def remove(
    connections: tuple[str, ...], public_url: str | None, former_url: tuple[str, ...], *, yes: bool, as_json: bool
) -> None:
    """Remove every webhook of CONNECTIONs that is ours; all that a connector reads from by default."""
    from workers.operating import webhooks

    if as_json and not yes:
        fail("with --json nothing can be asked: add --yes", USAGE)
    process, desk, _ = _desk()
    chosen = _chosen(desk, connections)
    base = checked(public_url or process.settings.public_url)
    known = any(webhooks.remembered(desk, name).urls for name in chosen)
    if not (base or former_url or known):
        fail("which webhooks are ours is told by their address: give --public-url", USAGE)
    former = [checked(url) for url in former_url]
    plans = [webhooks.removal(desk, name, base, former=former) for name in chosen]
    if not as_json:
        for made in plans:
            _show(made, nothing="no webhook there is known to be ours")
    _carry_out(desk, plans, base, yes=yes, as_json=as_json)
    if process.settings.public_url and not as_json:
        say("PUBLIC_URL is set: what runs with it installs them again within a day", style="yellow")


def _carry_out(
    desk: Desk, plans: Sequence[Plan], base: str, *, yes: bool, as_json: bool, named: Collection[str] = ()
) -> None:
    """Take the steps; exit code 1 where one failed, could not be found out, or waits for a person."""
    from workers.operating import webhooks
    from workers.stores.webhooks import Busy

    changes = sum(step.changes for made in plans for step in made.steps)
    if changes and not yes and not click.confirm(f"Take {changes} step(s)?"):
        fail("nothing was changed")
    rows, failed = [], False
    for made in plans:
        try:
            done = webhooks.carry_out(desk, made, base, _telling(made, quiet=as_json), patience=30.0)
        except Busy as error:
            fail(str(error))
        rows.append(_row(made, done))
        # Who left webhooks out of the configuration has chosen polling; only who asks for them by name is told off.
        chose = getattr(desk.config().connections[made.connection].settings, "webhook", None) is not None
        lacking = made.lacks and (chose or made.connection in named)
        failed |= bool(lacking or done.failed or (made.problem and (made.wanted or made.strays)))
    if as_json:
        print_json(rows)
    elif changes:
        console.print("done" if not failed else "done in part; what failed is said above")
    if failed:
        raise SystemExit(FAILED)


def _show(made: Plan, nothing: str = "there is nothing to do") -> None:
    from workers.operating.webhooks import sentence

    say(f"{made.connection}: {made.url or 'its webhooks'}", style="bold")
    for step in made.steps:
        say(f"  {sentence(step)}", style=_STYLES[step.do.value])
    if made.lacks:
        say(f"  {made.lacks}", style="yellow")
    if made.problem:
        say(f"  {made.problem}", style="yellow")
    if not (made.steps or made.lacks or made.problem or made.manual):
        say(f"  {nothing}")
    for line in made.manual.splitlines():
        say(f"  {line}")


def _telling(made: Plan, *, quiet: bool) -> Callable[[int, str], None]:
    def told(number: int, failed: str) -> None:
        if quiet:
            return
        step = made.steps[number]
        what = f"{made.connection}: {step.do.value} {step.place or 'the site'}"
        say(f"{what}: {failed or 'done'}", style="red" if failed else "green")

    return told


def _row(made: Plan, done: Done) -> dict[str, Any]:
    from workers.operating.webhooks import as_json as shown

    return {
        "connection": made.connection,
        "url": made.url,
        "steps": [
            shown(step, done.failed.get(number, "") if step.changes else None) for number, step in enumerate(made.steps)
        ],
        "problem": made.problem,
        "lacks": made.lacks,
        "manual": made.manual,
    }


# --- status ------------------------------------------------------------------------------------------------------
@webhook.command()
@names
@public_url
@as_json
def status(connections: tuple[str, ...], public_url: str | None, *, as_json: bool) -> None:
    """Show the webhooks of CONNECTIONs: installed, as they should be, last delivery, last received.

    Exit code 1 where one is missing or not as it should be.
    """
    from workers.operating.hooked import standing

    process, desk, running = _desk()
    chosen = _chosen(desk, connections)
    base = _base(process, desk, public_url, connections, needed=False)
    found = [standing(desk, process.reveal, name, base) for name in chosen]
    if as_json:
        print_json([one.as_json() for one in found])
    for one in () if as_json else found:
        say(
            f"{one.connection}: {one.state}",
            style={"ok": "green", "by hand": "", "polled": ""}.get(one.state, "yellow"),
        )
        for text in one.lines():
            say(f"  {text}")
        for word, seen in (("last received", one.known.proven), ("last refused", one.known.refused)):
            if seen is not None:
                say(f"  {word}: {when(seen.at)} UTC, {seen.what}")
        if one.known.proven is None and one.state != "polled":
            say("  none was ever received" if running else "  what was received is not known: nothing runs here")
    if any(one.wrong for one in found):
        raise SystemExit(FAILED)


# --- test ----------------------------------------------------------------------------------------------------------
@webhook.command()
@names
@public_url
@click.option(
    "--timeout",
    default=30,
    show_default=True,
    type=click.IntRange(0, 3600),
    help="Seconds to wait; 0 tries the address.",
)
@as_json
def test(connections: tuple[str, ...], public_url: str | None, timeout: int, *, as_json: bool) -> None:
    """Try whether webhooks of CONNECTIONs arrive: our address first, then one sent by the system itself.

    A system that sends none on request (Jira, Slack) is waited for: change something there meanwhile.
    """
    from workers.operating.trial import try_out

    process, desk, _ = _desk(need_servers=True)
    base = _base(process, desk, public_url, connections)
    rows, wrong = [], False
    for name in _chosen(desk, connections):
        for one in try_out(desk, process.reveal, name, base, timeout=float(timeout)):
            rows.append({"connection": name, "level": one.word, "text": one.text})
            wrong |= one.word == "problem"
            if not as_json:
                say(f"{one.word:>8}  {name}: {one.text}", style={"ok": "green", "problem": "red"}.get(one.word, ""))
    if as_json:
        print_json(rows)
    if wrong:
        raise SystemExit(FAILED)


# --- what is asked about -------------------------------------------------------------------------------------------
def _desk(*, need_servers: bool = False) -> tuple[Process, Desk, bool]:
    process, running = parts(need_servers=need_servers)
    # Nothing here rings: the store is looked into where there is one, and the broker is not needed.
    return process, wired(process, offline=True).desk(), running


def _chosen(desk: Desk, wanted: Iterable[str]) -> list[str]:
    from workers.operating.webhooks import read_from

    config = desk.config()
    chosen = list(dict.fromkeys(wanted))
    for name in chosen:
        if name not in config.connections:
            fail(
                f"there is no connection {name!r}; there are: {', '.join(sorted(config.connections)) or 'none'}", USAGE
            )
    chosen = chosen or read_from(config)
    if not chosen:
        fail("no connector reads from any connection: there is nothing that a webhook could tell", USAGE)
    return chosen


def _base(process: Process, desk: Desk, given: str | None, chosen: Iterable[str], *, needed: bool = True) -> str:
    """Return the public URL: the one given, the one set, or the one that was last installed for."""
    from workers.operating.webhooks import remembered

    if base := checked(given or process.settings.public_url):
        return base
    last = [urls[-1] for name in _chosen(desk, chosen) if (urls := remembered(desk, name).urls)]
    if not last and needed:
        fail("where are we reached from outside? give --public-url URL, or set PUBLIC_URL", USAGE)
    return last[0] if last else ""


def checked(url: str | None) -> str:
    """Return a public URL as it is used, "" for none; ends where it cannot be one."""
    from workers.variables import page

    try:
        base = page(url or "")
    except ValueError as error:
        fail(f"--public-url {error}", USAGE)
    if urlsplit(base).username or "/hooks" in urlsplit(base).path:
        fail("--public-url must be the address before /hooks/, without a name or password", USAGE)
    return base


def _await_receiver(process: Process, seconds: int) -> None:
    """Wait until our own receiver listens: the first thing that a new webhook does is to send a greeting."""
    host = process.settings.receiver_host
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked, not bound
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            socket.create_connection((host, process.settings.receiver_port), timeout=1.0).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    say(f"nothing listens on {host}:{process.settings.receiver_port} yet; webhooks are installed all the same")


# --- a secret --------------------------------------------------------------------------------------------------------
def _offer_secret(process: Process, desk: Desk, name: str, *, yes: bool) -> None:
    """Where the secret is ours to choose and there is none, make one; into ``.env`` only if a person agrees."""
    from workers.env_file import NAME, line
    from workers.operating.webhooks import secret_name

    config = desk.config()
    hooks = desk.system_of(config, name).webhooks
    if hooks is None or not hooks.chosen:
        return
    settings = config.connections[name].settings
    variable = secret_name(name)
    if getattr(settings, "webhook", None) is not None:
        signing = hooks.signing(settings)
        if signing is None or signing.scheme != "env":
            return
        try:
            if process.reveal(signing).reveal():
                return  # what is missing is the key in the address
        except Unauthorized:
            variable = signing.name
    made = line(variable, secrets.token_urlsafe(_SECRET_BYTES))
    path = process.settings.home / NAME
    # With --yes or in a pipe nobody has agreed to a file being written.
    if yes or not _is_asked() or not click.confirm(f"  Write a new secret as {variable} into {path}?"):
        say(f"  A secret to use, shown once; put this line into {path}:")
        say(f"  {made.rstrip()}")
        return
    _append(path, variable, made)
    say(f"  wrote {variable} into {path}; run this again")


def _is_asked() -> bool:
    return sys.stdin.isatty()


def _append(path: Path, variable: str, made: str) -> None:
    """Add a variable to a file that only we may read."""
    from workers.env_file import added, read

    if read(path).get(variable):
        fail(f"{path} has {variable} already; nothing was written")
    before = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    value = made.partition("=")[2].rstrip("\n")
    scratch = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(added(before, {variable: value}))
    scratch.replace(path)


COMMANDS = (webhook,)
