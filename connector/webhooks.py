"""Say what a webhook of ours should be, and find the steps that lead there from what is installed.

Whose a webhook is, is told by its address alone: ours is one that posts to ``<public URL>/hooks/<connection>``, at
the public URL of today or at one that this installation is known to have had.  The same path at any other address
may belong to another installation (staging, a colleague's) and is left alone, as is everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from connector.ports import Reveal, Secret, SecretRef, Site

SOON: Final = timedelta(days=10)
"""What expires within this time is renewed now: a third of the 30 days that the shortest-lived webhooks have."""

_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A webhook as it should be.

    ``place`` is where in the system it stands ("" for one that covers the whole site, ``acme/web``).  ``url`` may end
    with a key in its query and is shown by `shown` only.  ``filter`` keeps back in the system what no connector reads
    ("" where it knows no filters); ``name`` is what an administrator reads there.
    """

    place: str
    url: str
    events: frozenset[str]
    secret: Secret | None = None
    filter: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The last delivery as the system remembers it: when (None: not told), with which status (0: no answer)."""

    at: datetime | None
    status: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Installed:
    """A webhook that a system has, anybody's.

    ``signed`` and ``filter`` are None where the system does not tell.  ``expires`` is None for one that lives for
    ever.  ``faults`` say in words what else about it is not as we would have it.
    """

    id: str
    place: str
    url: str
    events: frozenset[str]
    active: bool = True
    signed: bool | None = None
    filter: str | None = None
    expires: datetime | None = None
    faults: tuple[str, ...] = ()
    last: Delivered | None = None

    def drift(self, wanted: Wanted, now: datetime) -> tuple[str, ...]:
        """Return in words all that is not as wanted; a changed secret does not show, no system tells its value."""
        found = [*self.faults]
        if place_of(self.url) != place_of(wanted.url):
            found.append(f"posts to {shown(self.url)}")
        elif _query(self.url) != _query(wanted.url):
            found.append("the key in its address is another")
        if not self.active:
            found.append("is switched off")
        if missing := self.missing(wanted):
            found.append(f"lacks the events {', '.join(missing)}")
        if surplus := self.surplus(wanted):
            found.append(f"has the events {', '.join(surplus)} besides")
        if self.filter is not None and self.filter != wanted.filter:
            found.append(f"is told of {self.filter or 'everything'} and not of {wanted.filter or 'everything'}")
        if wanted.secret is not None and self.signed is False:
            found.append("has no secret")
        if self.expires is not None and self.expires - now < SOON:
            found.append(f"expires {self.expires:%Y-%m-%d %H:%M} UTC")
        return tuple(found)

    def missing(self, wanted: Wanted) -> list[str]:
        """Return the events that it should have and has not; ``*`` stands for all."""
        return [] if "*" in self.events else sorted(wanted.events - self.events)

    def surplus(self, wanted: Wanted) -> list[str]:
        """Return the events that it has and nobody reads."""
        return sorted(self.events - wanted.events)


class Do(StrEnum):
    """What becomes of one webhook."""

    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"
    KEEP = "keep"
    LEAVE = "leave"
    """Not known to be ours; only told of."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step and its reasons; `Do.REMOVE` steps of a place come last and are taken only if the others went well."""

    do: Do
    place: str
    why: tuple[str, ...] = ()
    wanted: Wanted | None = None
    hook: Installed | None = None

    @property
    def changes(self) -> bool:
        """Whether taking it changes anything."""
        return self.do in {Do.CREATE, Do.UPDATE, Do.REMOVE}


def _everything(_sources: Sequence[Any]) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class WebhookApi:
    """How webhooks are installed through a system's API; all raise `connector.errors`.

    Where the account may not, that is `Forbidden` with what it lacks, whatever the system answered.

    ``places(sources)`` -> where webhooks must stand so that these ``from:`` blocks are told everything.
    ``narrowed(sources)`` -> the filter that lets through what these blocks read, in the system's own language.
    ``listed(site, place)`` -> every webhook there, anybody's.
    ``create(site, wanted)`` -> what was made.
    ``update(site, hook, wanted)`` makes all of it as wanted, the secret too, and extends its life where it has one.
    ``delete(site, hook)``; one that is gone already is no error.
    ``ping(site, hook)`` has the system send one at once; None where it cannot be asked to.
    ``last(site, hook)`` -> its last delivery, where a listing does not tell; None where the system never tells.
    """

    places: Callable[[Sequence[Any]], Sequence[str]]
    listed: Callable[[Site, str], Sequence[Installed]]
    create: Callable[[Site, Wanted], Installed]
    update: Callable[[Site, Installed, Wanted], None]
    delete: Callable[[Site, Installed], None]
    ping: Callable[[Site, Installed], None] | None = None
    last: Callable[[Site, Installed], Delivered | None] | None = None
    narrowed: Callable[[Sequence[Any]], str] = field(default=_everything)


def _as_it_is(_settings: Any, url: str, _reveal: Reveal) -> str:
    return url


@dataclass(frozen=True, slots=True)
class Webhooks:
    """What a system needs to tell us of changes by webhook.

    ``events`` are the names of what we read.  ``signing(settings)`` -> the secret that signs, the newest of several;
    None where this connection's webhooks are not signed.  ``chosen`` False where the system makes the secret and we
    cannot.  ``address(settings, url, reveal)`` -> the URL to install, with the key in it where one is demanded; raises
    `Unauthorized` where that cannot be read.  ``knock(settings, reveal, now)`` -> (headers, body) of a request that our
    receiver takes for one of the system's own and stores nothing of.  ``manual(settings, url, places)`` -> what a
    person does where the API cannot be used: which page, which values; no secret is in it.  ``api`` None where there
    is none for the credentials that we take.
    """

    events: frozenset[str]
    signing: Callable[[Any], SecretRef | None]
    knock: Callable[[Any, Reveal, datetime], tuple[Mapping[str, str], bytes]]
    manual: Callable[[Any, str, Sequence[str]], str]
    address: Callable[[Any, str, Reveal], str] = field(default=_as_it_is)
    chosen: bool = True
    api: WebhookApi | None = None


# --- addresses ---------------------------------------------------------------------------------------
def hook_path(connection: str) -> str:
    """Return the path that the receiver takes a connection's webhooks at."""
    return f"/hooks/{connection}"


def place_of(url: str) -> str:
    """Return where a webhook posts to, comparable: no query, no case or usual port in the host's name."""
    try:
        parts = urlsplit(url)
        scheme, port = parts.scheme.lower(), parts.port
    except ValueError:
        return url.partition("?")[0]
    host = (parts.hostname or "").lower()
    shown_port = f":{port}" if port is not None and port != _PORTS.get(scheme) else ""
    return f"{scheme}://{host}{shown_port}{parts.path.rstrip('/')}"


def shown(url: str) -> str:
    """Return an address as it may be printed: what is in its query or before its host may be a key."""
    return place_of(url) + ("?…" if _query(url) else "")


def _query(url: str) -> str:
    return url.partition("#")[0].partition("?")[2]


# --- steps ----------------------------------------------------------------------------------------------
def converge(
    wanted: Wanted,
    found: Iterable[Installed],
    *,
    connection: str,
    former: Collection[str],
    now: datetime,
    renew: bool = False,
) -> tuple[Step, ...]:
    """Return the steps that make one place as wanted, in their order.

    ``former`` are public URLs that this installation had.  One webhook is kept, moved or made; others of ours are
    removed after that, so that at no moment nobody tells us.  ``renew`` writes it anew though nothing differs: the
    way to a new secret.
    """
    found = list(found)
    own = [one for one in found if place_of(one.url) == place_of(wanted.url)]
    moved = [one for one in _ours(found, connection, former) if one not in own]
    steps = []
    # Of several the one with the least to repair: the others go.
    best = min(own or moved, key=lambda one: (len(one.drift(wanted, now)), one.id), default=None)
    if best is None:
        steps.append(Step(Do.CREATE, wanted.place, ("there is none",), wanted))
    else:
        why = best.drift(wanted, now) or (("asked to write it anew",) if renew else ())
        steps.append(Step(Do.UPDATE if why else Do.KEEP, wanted.place, why, wanted, best))
    steps += [
        Step(Do.LEAVE, wanted.place, (f"posts to {shown(one.url)}, which is not known to have been ours",), None, one)
        for one in found
        if one not in own + moved and place_of(one.url).endswith(hook_path(connection))
    ]
    steps += [
        Step(Do.REMOVE, wanted.place, ("another one does the same",), None, one)
        for one in own + moved
        if one is not best
    ]
    return tuple(steps)


def withdraw(
    place: str, found: Iterable[Installed], *, connection: str, bases: Collection[str], why: str
) -> tuple[Step, ...]:
    """Return the steps that remove every webhook of ours from a place; ``bases`` are all public URLs of ours."""
    return tuple(Step(Do.REMOVE, place, (why,), None, one) for one in _ours(found, connection, bases))


def take(site: Site, api: WebhookApi, step: Step) -> None:
    """Take one step; raises what the API raises."""
    match step.do:
        case Do.CREATE if step.wanted is not None:
            api.create(site, step.wanted)
        case Do.UPDATE if step.wanted is not None and step.hook is not None:
            api.update(site, step.hook, step.wanted)
        case Do.REMOVE if step.hook is not None:
            api.delete(site, step.hook)
        case _:
            pass  # kept or left as it is


def _ours(found: Iterable[Installed], connection: str, bases: Iterable[str]) -> list[Installed]:
    places = {place_of(base) + hook_path(connection) for base in bases}
    return [one for one in found if place_of(one.url) in places]
