"""Be a Jira without a server: ``Call -> Answer`` over a state, with a ledger, faults and webhooks.

``new_sandbox()`` gives a Cloud site with two projects (WEB, OPS) and three accounts (bot, ada, grace);
``flavour="data-center"`` gives a Data Center of the same content.  People act through the same REST
API with tokens of their own.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from connector.sandbox import Answer, Call, Fault, Faults, Hook, Ledger
from connector.systems.jira.sandbox.actions import Actions, By, Refused
from connector.systems.jira.sandbox.asked import At, bad_query, errors, refused
from connector.systems.jira.sandbox.content import Issue
from connector.systems.jira.sandbox.hooks import Outbox
from connector.systems.jira.sandbox.jql import BadQuery
from connector.systems.jira.sandbox.registered import Registry
from connector.systems.jira.sandbox.rest import Rest
from connector.systems.jira.sandbox.search import Search
from connector.systems.jira.sandbox.site import Site

__all__ = ["PEOPLE", "JiraSandbox", "new_sandbox"]

PEOPLE: Final = {"jira-bot-token": "bot", "jira-ada-token": "ada", "jira-grace-token": "grace"}
"""Token -> login of the accounts that a new sandbox knows."""

_ROOT: Final = "/rest/api/"
_NOT_LOGGED_IN: Final = b"Client must be authenticated to access this resource."


class JiraSandbox:
    """A stateful fake of Jira's REST API; see `connector.sandbox.Sandbox`.

    ``rate`` is how many calls a second are answered (0: all), ``issue_rate`` how many writes one issue
    takes in two seconds; past them the vendor's own 429 is answered.
    """

    def __init__(
        self,
        site: Site,
        *,
        webhook_secret: str,
        context: str,
        index_lag: timedelta,
        page: int,
        twins: bool,
        rate: int = 0,
        issue_rate: int = 0,
    ) -> None:
        self.site = site
        self.ledger = Ledger()
        self.faults = Faults()
        self.outbox = Outbox(site, webhook_secret, twins=twins)
        self.actions = Actions(site, self.ledger, self.outbox)
        self.search = Search(site, index_lag, page)
        self.webhooks = self.outbox.registry = Registry(site, self.ledger, self.search.fits)
        self.rest = Rest(site, self.actions, self.search)
        self.context = context.rstrip("/")
        self.rate, self.issue_rate = rate, issue_rate
        self._second: tuple[int, int] = (0, 0)
        self._writes: dict[str, list[datetime]] = {}

    # --- the protocol
    def __call__(self, call: Call, now: datetime, /) -> Answer:
        """Perform one request."""
        return self.faults.run(call, lambda spared: self._answer(spared, now), self._spoilt)

    def hooks(self, now: datetime, /) -> list[Hook]:
        """Hand out the webhooks that are due."""
        del now  # all are due at once: Cloud's primary flow takes seconds
        return self.outbox.take()

    def state(self) -> Mapping[str, Any]:
        """Show everything as JSON."""
        api = "3" if self.site.cloud else "2"
        return {
            issue.key: {
                **self.site.document(issue, api),
                "properties": dict(issue.properties),
                "remotelinks": list(issue.links.values()),
                "history": self.site.changelog(issue),
            }
            for issue in self.site.issues.values()
        }

    # --- switches
    def require(self, field: str, project: str = "WEB", *, on: bool = True) -> None:
        """Make a field required on create, as an administrator does one afternoon."""
        required = self.site.projects[project].required
        required.add(field) if on else required.discard(field)

    def deny(self, project: str, login: str, what: str = "browse", *, on: bool = True) -> None:
        """Take a permission away: ``browse`` (404 follows) or ``write`` (403 follows)."""
        found = self.site.projects[project]
        who = self.site.by_login[login].id
        place = found.hidden_from if what == "browse" else found.closed_to
        place.add(who) if on else place.discard(who)

    def appoint(self, login: str) -> None:
        """Make an account an administrator of the site."""
        self.site.administrators.add(self.site.by_login[login].id)

    def revoke(self, token: str) -> None:
        """Make a token invalid."""
        self.site.tokens.pop(token, None)

    def move(self, key: str, project: str, login: str, now: datetime) -> Issue:
        """Move an issue to another project, which people do in the browser."""
        issue = self.site.issue(key)
        if issue is None:
            message = f"no issue {key}"
            raise LookupError(message)
        self.actions.move(By(now, self.site.by_login[login].id), issue, project)
        return issue

    # --- answering
    def _answer(self, call: Call, now: datetime) -> Answer:
        path = call.path.removeprefix(self.context) if self.context else call.path
        if self.webhooks.is_here(path):
            return self._administered(call, path, now)
        if not path.startswith(_ROOT):
            return errors(404, "null for uri")
        version, _, rest = path.removeprefix(_ROOT).partition("/")
        api = {"2": "2", "latest": "2", "3": "3" if self.site.cloud else ""}.get(version, "")
        if not api:
            return errors(404, "null for uri")
        # Anybody may ask what the server is; everything else needs an account.
        who = self._who(call)
        if who is None and rest != "serverInfo":
            return Answer(401, _NOT_LOGGED_IN, {"content-type": "text/html;charset=UTF-8"})
        limited = self._limited(call, rest, now)
        if limited is not None:
            return limited
        try:
            found = self.rest(At(call, now, who or "", api), rest.rstrip("/"))
        except Refused as wrong:
            return refused(wrong)
        except BadQuery as wrong:
            return bad_query(wrong)
        return Answer(found.status, found.body, {**found.headers, **self._headers()})

    def _administered(self, call: Call, path: str, now: datetime) -> Answer:
        who = self._who(call)
        if who is None:
            return Answer(401, _NOT_LOGGED_IN, {"content-type": "text/html;charset=UTF-8"})
        try:
            return self.webhooks.answer(At(call, now, who, "2"), path)
        except Refused as wrong:
            return refused(wrong)

    def _who(self, call: Call) -> str | None:
        scheme, _, given = call.headers.get("authorization", "").partition(" ")
        name, token = "", given
        if scheme.lower() == "basic":
            try:
                name, _, token = base64.b64decode(given, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return None
        found = self.site.tokens.get(token)
        if found is None or (name and name not in {found.email, found.login}):
            return None
        # Cloud takes no bare token; a Data Center password is modelled as the account's token.
        return None if self.site.cloud and not name else found.id

    # --- limits
    def _limited(self, call: Call, path: str, now: datetime) -> Answer | None:
        second = int(now.timestamp())
        used = self._second[1] + 1 if self._second[0] == second else 1
        self._second = (second, used)
        if self.rate and used > self.rate:
            return self._too_many("jira-burst-based", 1)
        if self.issue_rate and call.method != "GET" and path.startswith("issue/"):
            issue = self.site.issue(path.split("/")[1])
            recent = self._writes.setdefault(issue.id if issue else "", [])
            recent[:] = [at for at in recent if now - at < timedelta(seconds=2)] + [now]
            if len(recent) > self.issue_rate:
                recent.pop()
                return self._too_many("jira-per-issue-on-write", 2)
        return None

    def _headers(self) -> dict[str, str]:
        if not self.rate:
            return {}
        left = max(0, self.rate - self._second[1])
        shared = {"X-RateLimit-Limit": str(self.rate), "X-RateLimit-Remaining": str(left)}
        if self.site.cloud:
            return shared
        return {
            **shared,
            "X-RateLimit-Interval-Seconds": "1",
            "X-RateLimit-FillRate": str(self.rate),
            "Retry-After": "0",
        }

    def _too_many(self, reason: str, wait: int) -> Answer:
        headers = {"content-type": "application/json", "Retry-After": str(wait), **self._headers()}
        if self.site.cloud:
            headers["RateLimit-Reason"] = reason
        return Answer(429, b'{"errorMessages": ["Rate limit exceeded."], "errors": {}}', headers)

    def _spoilt(self, kind: str, fault: Fault) -> Answer:
        if kind == "expired_token":
            return Answer(401, _NOT_LOGGED_IN, {"content-type": "text/html;charset=UTF-8", **fault.header})
        limited = self._too_many("jira-burst-based", 1 if fault.retry_after is None else fault.retry_after)
        return Answer(limited.status, limited.body, {**limited.headers, **fault.header})


def new_sandbox(
    *,
    webhook_secret: str = "",
    url: str = "http://sandbox",
    flavour: str = "cloud",
    projects: Sequence[str] = ("WEB", "OPS"),
    people: Mapping[str, str] | None = None,
    context: str = "",
    zone: str = "Europe/Berlin",
    index_lag: timedelta = timedelta(0),
    page: int = 100,
    comment_twins: bool = True,
    rate: int = 0,
    issue_rate: int = 0,
    release: tuple[int, ...] = (10, 3, 24),
) -> JiraSandbox:
    """Build a sandbox; ``people`` maps a token (or Data Center password) to a login.

    ``url`` is where people reach it, context path included; ``context`` is the path that calls carry
    before ``/rest``.  ``zone`` is the time zone of every account, in which Jira reads JQL times.
    ``comment_twins``: Data Center tells a comment in two webhooks, of which one is a repeat.  ``release`` is
    the version of a Data Center.
    """
    known = people or PEOPLE
    site = Site(cloud=flavour == "cloud", url=url, zone=zone, projects=projects, people=known, release=release)
    return JiraSandbox(
        site,
        webhook_secret=webhook_secret,
        context=context,
        index_lag=index_lag,
        page=page,
        twins=comment_twins,
        rate=rate,
        issue_rate=issue_rate,
    )
