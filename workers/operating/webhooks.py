"""Bring the webhooks of a connection to what they should be: look, say the steps, take them.

Whoever installs does so alone (`workers.stores.webhooks`), has the public URL remembered before anything points to it,
and removes only after what is to stay stands.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from connector.config import Config, Connection
from connector.errors import ConnectorError, Forbidden, Stale, Unauthorized
from connector.ports import Reveal, Secret, Site
from connector.webhooks import (
    Do,
    Step,
    Wanted,
    WebhookApi,
    Webhooks,
    converge,
    hook_path,
    place_of,
    shown,
    take,
    withdraw,
)
from workers.desk import Desk
from workers.stores.webhooks import Busy, Known
from workers.stores.webhooks import Webhooks as Memory

log = logging.getLogger("connector.webhooks")

DAY: Final = timedelta(hours=23)
"""For how long webhooks that are as they should be are not looked at again by the clock."""
AGAIN: Final = timedelta(hours=1)
"""... and those that could not be put right."""
_PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for one connection.

    ``steps`` in their order.  ``problem`` says why there are none, or why not for every place.  ``manual`` is what a
    person does instead.  ``lacks`` is set where no webhook can be taken in: what to add to the configuration.
    ``wanted`` are the webhooks that should be, one a place; ``strays`` places that nobody follows any more.
    """

    connection: str
    url: str = ""
    steps: tuple[Step, ...] = ()
    problem: str = ""
    manual: str = ""
    lacks: str = ""
    wanted: tuple[Wanted, ...] = ()
    strays: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether there is anything to do by ourselves."""
        return any(step.changes for step in self.steps)


@dataclass(slots=True)
class Done:
    """What became of the steps of a plan: ``failed`` maps the number of a step to why."""

    taken: int = 0
    failed: dict[int, str] = field(default_factory=dict)


def sources(config: Config, connection: str) -> list[Any]:
    """Return the ``from:`` settings of all connectors that read from a connection."""
    return [one.source.settings for one in config.connectors.values() if one.source.connection == connection]


def read_from(config: Config) -> list[str]:
    """Return the connections that any connector reads from: those that webhooks make faster."""
    return sorted({one.source.connection for one in config.connectors.values()})


# --- looking -----------------------------------------------------------------------------------------
def plan(desk: Desk, reveal: Reveal, name: str, base: str, *, former: Iterable[str] = (), renew: bool = False) -> Plan:
    """Look at a connection's webhooks and say what is to be done; changes nothing.

    ``base`` is the public URL, ``former`` are earlier ones beside those that are remembered.
    """
    config = desk.config()
    connection = config.connections[name]
    url = base.rstrip("/") + hook_path(name)
    hooks = desk.system_of(config, name).webhooks
    if hooks is None:
        return Plan(name, url, problem="its system sends no webhooks; it is polled")
    read = sources(config, name)
    if not read:
        return Plan(name, url, problem="no connector reads from it")
    if lacking := lacks(connection, hooks, reveal):
        return Plan(name, url, lacks=lacking)
    if hooks.api is None:
        return Plan(name, url, manual=hooks.manual(connection.settings, url, ()))
    known = remembered(desk, name)
    wanted = _wanted(config, connection, hooks, reveal, url)
    strays = tuple(sorted(set(known.places) - {one.place for one in wanted}))
    site = desk.site(name, time.monotonic() + _PATIENCE)
    bases = {*former, *known.urls}
    steps: list[Step] = []
    problems: dict[str, str] = {}
    refused = []
    for one in wanted:
        try:
            found = hooks.api.listed(site, one.place)
        except ConnectorError as error:
            problems[one.place] = str(error)
            refused += [one.place] if isinstance(error, Forbidden) else []
        else:
            steps += converge(one, found, connection=name, former=bases, now=desk.now(), renew=renew)
    for place in strays:
        try:
            found = hooks.api.listed(site, place)
        except ConnectorError as error:
            problems[place] = f"a webhook of ours may be left there: {error}"
        else:
            steps += withdraw(place, found, connection=name, bases={*bases, base}, why="nobody follows it any more")
    manual = hooks.manual(connection.settings, url, refused) if refused else ""
    return Plan(name, url, tuple(steps), "; ".join(dict.fromkeys(problems.values())), manual, "", wanted, strays)


def removal(desk: Desk, name: str, base: str, *, former: Iterable[str] = ()) -> Plan:
    """Say what would be removed: every webhook that is known to be ours; ``base`` may be ""."""
    config = desk.config()
    hooks = desk.system_of(config, name).webhooks
    url = base.rstrip("/") + hook_path(name) if base else ""
    if hooks is None or hooks.api is None:
        return Plan(name, url, problem="its webhooks cannot be removed by an API; switch them off where they were made")
    known = remembered(desk, name)
    site = desk.site(name, time.monotonic() + _PATIENCE)
    bases = {*former, *known.urls, *([base] if base else [])}
    places = sorted({*known.places, *hooks.api.places(sources(config, name))})
    steps: list[Step] = []
    problems: dict[str, str] = {}
    for place in places:
        try:
            found = hooks.api.listed(site, place)
        except ConnectorError as error:
            problems[place] = str(error)
        else:
            steps += withdraw(place, found, connection=name, bases=bases, why="asked to")
    return Plan(name, url, tuple(steps), "; ".join(dict.fromkeys(problems.values())), strays=tuple(places))


def lacks(connection: Connection, hooks: Webhooks, reveal: Reveal) -> str:
    """Return what a connection lacks to take webhooks in, "" where nothing: the line to add, or the secret to set."""
    if getattr(connection.settings, "webhook", None) is None:
        line = f"webhook: {{secret: env:{secret_name(connection.name)}}}"
        return f"it takes no webhooks; add to connections.{connection.name}: {line}"
    signing = hooks.signing(connection.settings)
    try:
        if signing is not None and not reveal(signing).reveal():
            return f"{signing} is empty"
        hooks.address(connection.settings, "", reveal)
    except Unauthorized as error:
        return str(error)
    return ""


def secret_name(connection: str) -> str:
    """Return the name of the variable that holds a connection's webhook secret, where we may choose it."""
    return f"{connection.upper().replace('-', '_')}_WEBHOOK_SECRET"


def _wanted(config: Config, connection: Connection, hooks: Webhooks, reveal: Reveal, url: str) -> tuple[Wanted, ...]:
    read, api = sources(config, connection.name), hooks.api
    if api is None:
        return ()
    signing = hooks.signing(connection.settings)
    secret: Secret | None = reveal(signing) if signing is not None else None
    address = hooks.address(connection.settings, url, reveal)
    name = f"Jira Connector {config.instance}, {connection.name}"
    return tuple(Wanted(place, address, hooks.events, secret, api.narrowed(read), name) for place in api.places(read))


def remembered(desk: Desk, connection: str) -> Known:
    """Return what the store remembers; nothing in a process without one."""
    client = desk.connections.client
    return Memory(client).known(connection) if client is not None else Known()


# --- doing ---------------------------------------------------------------------------------------------
def carry_out(
    desk: Desk, made: Plan, base: str, told: Callable[[int, str], None] = lambda *_: None, *, patience: float = 0.0
) -> Done:
    """Take the steps of a plan; ``told(number, why it failed or "")`` after each.  Raises `Busy`.

    A step that fails ends its place: what is to go there goes only once the rest stands.
    """
    client = desk.connections.client
    if client is None:
        return _take(desk, made, told)
    memory = Memory(client)
    with memory.alone(made.connection, patience):
        if made.wanted:
            memory.remember(made.connection, base.rstrip("/"), [one.place for one in made.wanted])
        done = _take(desk, made, told)
        lost = {made.steps[number].place for number in done.failed}
        if not made.problem:
            memory.forget_places(made.connection, [place for place in made.strays if place not in lost])
        if made.wanted and not done.failed and not made.problem:
            memory.looked_after(made.connection, _mark(made.wanted), DAY)
    return done


def _take(desk: Desk, made: Plan, told: Callable[[int, str], None]) -> Done:
    api = _api(desk, made.connection)
    site = desk.site(made.connection, time.monotonic() + _PATIENCE)
    done, ended = Done(), set()
    for number, step in enumerate(made.steps):
        if not step.changes or api is None:
            continue
        if step.place in ended:
            done.failed[number] = "left out: what should come before it failed"
        else:
            try:
                if step.do is Do.CREATE and _is_there(site, api, step):
                    raise Stale("it is there by now: somebody was faster; look again")
                take(site, api, step)
                done.taken += 1
            except ConnectorError as error:
                ended.add(step.place)
                done.failed[number] = f"{type(error).__name__}: {error}"
        told(number, done.failed.get(number, ""))
    return done


def _is_there(site: Site, api: WebhookApi, step: Step) -> bool:
    """Look once more before one is made: the plan is older than the right to carry it out."""
    url = step.wanted.url if step.wanted is not None else ""
    return any(place_of(one.url) == place_of(url) for one in api.listed(site, step.place))


def _api(desk: Desk, connection: str) -> WebhookApi | None:
    hooks = desk.system_of(desk.config(), connection).webhooks
    return hooks.api if hooks is not None else None


# --- by the clock ----------------------------------------------------------------------------------------
def look_after(desk: Desk, reveal: Reveal, base: str) -> int:
    """Bring every connection's webhooks to what they should be, where nobody has within a day; returns the steps taken.

    Nothing where ``base``, the public URL, is "".  A changed configuration or public URL is a reason to look at once.
    What fails is said and tried again in an hour.
    """
    taken = 0
    config = desk.config()
    memory = Memory(desk.connections.client)
    for name in read_from(config) if base else ():
        connection = config.connections[name]
        hooks = desk.system_of(config, name).webhooks
        if hooks is None or hooks.api is None or lacks(connection, hooks, reveal):
            continue
        mark = _mark(_wanted(config, connection, hooks, reveal, base.rstrip("/") + hook_path(name)))
        if not memory.claim(name, mark, DAY):
            continue
        try:
            made = plan(desk, reveal, name, base)
            done = carry_out(desk, made, base)
        except (ConnectorError, Busy) as error:
            log.warning("%s: its webhooks are not looked after: %s", name, error)
            memory.looked_after(name, mark, AGAIN)
            continue
        taken += done.taken
        for number, step in enumerate(made.steps):
            if step.changes:
                log.info("%s: %s", name, sentence(step) + _ended(done.failed.get(number, "")))
        if made.problem or done.failed:
            log.warning("%s: webhooks: %s", name, made.problem or "; ".join(done.failed.values()))
            memory.looked_after(name, mark, AGAIN)
    return taken


def _ended(failed: str) -> str:
    return f": {failed}" if failed else ""


def _mark(wanted: Sequence[Wanted]) -> str:
    """Sum up all that is wanted, but for the secret: no trace of it belongs into the store."""
    told = [(one.place, shown(one.url), sorted(one.events), one.filter) for one in wanted]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:24]


# --- words ---------------------------------------------------------------------------------------------
def sentence(step: Step) -> str:
    """Say a step in words."""
    where = step.place or "the site"
    number = f" {step.hook.id}" if step.hook is not None else ""
    return f"{step.do.value} the webhook{number} of {where}: {'; '.join(step.why) or 'it is as it should be'}"


def as_json(step: Step, failed: str | None) -> dict[str, Any]:
    """Show a step for scripts; ``failed`` is None where it was not tried."""
    return {
        "do": step.do.value,
        "place": step.place,
        "webhook": step.hook.id if step.hook is not None else "",
        "why": list(step.why),
        **({} if failed is None else {"done": not failed, "error": failed}),
    }


def when(at: datetime | None) -> str:
    """Show a time; "" for none."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at is not None else ""
