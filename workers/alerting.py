"""Tell the owner of a connector what needs a person: in Slack, by e-mail, or by posting JSON; each thing once.

Whoever ticks first looks, and remembers in the store what was told only after it was told: told twice after a
crash is better than never.  A place that cannot be reached is tried again at the next look.
"""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import orjson

from connector.config import Config, Connection, Connector, Http
from connector.errors import ConnectorError, Rejected, Retryable
from connector.ports import Request, Response, Secret
from workers.addresses import Guard
from workers.desk import Desk
from workers.operating.causes import Change, News, Told, causes, changes, packed
from workers.transport import Transport, Unlimited

log = logging.getLogger("connector.alerting")

EVERY_MS: Final = 30_000
"""How often a connector is looked at."""

MOST: Final = 5
"""Things told in one look; the rest is one sentence, so that nobody is drowned."""

WORDS: Final = {
    News.OPENED: "needs a person",
    News.GREW: "has grown",
    News.WAITS: "has waited for an hour, and nobody has taken it",
    News.RESOLVED: "is over",
}


@dataclass(frozen=True, slots=True)
class Message:
    """What is told: a subject line, a Markdown text, and the same as a document for machines."""

    subject: str
    text: str
    document: Mapping[str, Any]


@dataclass(slots=True)
class Alerter:
    """Tells owners.  ``pages`` is the address of Flower for links, ``smtp`` a mail server (smtp://user:pw@host:587)."""

    desk: Desk
    pages: str = ""
    smtp: Secret | None = None
    mail: Callable[[EmailMessage, Secret], None] | None = None
    """Sends mail; given by tests."""
    guard: Guard | None = None

    def look(self, connector: Connector) -> int:
        """Tell the owner of a connector what is new; returns how many things were told."""
        books = self.desk.deliveries(connector)
        if not connector.owner.alert or not books.claim_alerts(EVERY_MS):
            return 0
        config = self.desk.config()
        before = {key: Told(**orjson.loads(record)) for key, record in books.alerted().items()}
        found = changes(before, causes(self.desk, config, connector), self.desk.now_ms())
        news = [one for one in found if one.after is not None or one.before is not None]
        if news and not self.tell(config, connector, [message_of(connector, one, self.pages) for one in news[:MOST]]):
            return 0
        if len(news) > MOST:
            rest = f"and {len(news) - MOST} more things about {connector.name}"
            self.tell(
                config, connector, [Message(rest, f"*{rest}*: {self.pages}/connectors", {"more": len(news) - MOST})]
            )
        for one in found:
            books.remember_alert(one.key, orjson.dumps(packed(one.after)) if one.after else None)
        return len(news)

    def tell(self, config: Config, connector: Connector, messages: Sequence[Message]) -> bool:
        """Send messages to every place of the owner; False where one of them could not be reached."""
        good = True
        for place in connector.owner.alert.split():
            for message in messages:
                try:
                    self._send(config, place, message)
                except (ConnectorError, OSError, smtplib.SMTPException) as error:
                    why = str(error).replace(place, _shown(place))
                    log.error("the owner of %s cannot be told at %s: %s", connector.name, _shown(place), why)  # noqa: TRY400 - the traceback says nothing more
                    good = False
                    break
        return good

    def _send(self, config: Config, place: str, message: Message) -> None:
        kind, _, rest = place.partition(":")
        match kind:
            case "mailto":
                self._mail(rest, message)
            case "http" | "https":
                self._post(place, message)
            case _:
                self._say(config, kind, rest, message)

    def _say(self, config: Config, kind: str, rest: str, message: Message) -> None:
        named, _, where = rest.rpartition("/")
        names = [named] if named else [name for name, one in config.connections.items() if one.system == kind]
        tell = self.desk.systems[kind].tell
        if len(names) != 1 or tell is None:
            # Loading refuses it; a configuration may have been made by hand.
            raise Rejected(f"there is no one connection of {kind} by which it can be told", cause="alert")
        tell(self.desk.site(names[0], self.desk.ticks() + self.desk.call.total_seconds()), where, message.text)

    def _mail(self, address: str, message: Message) -> None:
        if self.smtp is None:
            raise Rejected("SMTP_URL is not set", cause="alert")
        mail = EmailMessage()
        mail["Subject"] = message.subject
        mail["To"] = address
        mail["From"] = unquote(urlsplit(self.smtp.reveal()).username or "") or "jira-connector@localhost"
        # Mail that answers itself must not answer us.
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        (self.mail or send_mail)(mail, self.smtp)

    def _post(self, url: str, message: Message) -> None:
        parts = urlsplit(url)
        connection = Connection("alert", "alert", f"{parts.scheme}://{parts.netloc}", Http())
        transport = Transport(_HOOK, connection, _reveals_nothing, limiter=Unlimited(), guard=self.guard or Guard(()))
        query = dict(pair.partition("=")[::2] for pair in parts.query.split("&") if pair)
        transport(Request("POST", parts.path or "/", query=query, json=dict(message.document), endpoint="alert"))
        transport.close()


def message_of(connector: Connector, change: Change, pages: str) -> Message:
    """Put a change into words, for people and for machines."""
    cause, before = change.cause, change.before
    title = cause.title if cause is not None else (before.title if before is not None else change.key)
    subject = f"{connector.name}: {title} {WORDS[change.news]}"
    lines = [f"**{connector.name}**: {title} **{WORDS[change.news]}**"]
    if cause is not None:
        if cause.count:
            many = f"{cause.count} {cause.of[cause.count != 1]}"
            items = f": {', '.join(cause.items)}{' …' if cause.count > len(cause.items) else ''}" if cause.items else ""
            lines.append(f"{many}{items}")
        lines += [cause.says[:500], f"*{cause.act}*"]
    page = cause.page if cause is not None else (before.page if before is not None else "")
    if pages and page:
        lines.append(
            f"[Open it]({pages}{page}) · runbook: {cause.heading if cause is not None else 'deploy/runbook.md'}"
        )
    document = {
        "news": change.news.value,
        "connector": connector.name,
        "team": connector.owner.team,
        "cause": change.key,
        "title": title,
        "at": datetime.now(UTC).isoformat(),
        **({"says": cause.says, "act": cause.act, "count": cause.count, "items": list(cause.items)} if cause else {}),
        **({"runbook": cause.heading} if cause else {}),
        **({"page": f"{pages}{page}"} if pages and page else {}),
    }
    return Message(_one_line(subject), "\n\n".join(lines), document)


def send_mail(mail: EmailMessage, smtp: Secret) -> None:
    """Send a mail by ``smtp://user:password@host:587`` (STARTTLS is demanded) or ``smtps://…:465``."""
    parts = urlsplit(smtp.reveal())
    host, user, password = parts.hostname or "", unquote(parts.username or ""), unquote(parts.password or "")
    local = host in {"localhost", "127.0.0.1"}
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=20)
    else:
        server = smtplib.SMTP(host, parts.port or 587, timeout=20)
    with server:
        if parts.scheme != "smtps" and not local:
            server.starttls()
        if password:
            server.login(user, password)
        server.send_message(mail)


@dataclass(frozen=True, slots=True)
class _Hook:
    """A place that JSON is posted to, as the transport sees it; its settings are its address."""

    def base_url(self, settings: str) -> str:
        return settings

    def authorize(self, _settings: str, _reveal: object) -> Mapping[str, str]:
        return {}

    def refusal(self, _request: Request, response: Response) -> ConnectorError | None:
        if response.status < 300:
            return None
        if response.status >= 500 or response.status in {408, 429}:
            return Retryable(f"it answered {response.status}", sent=True, status=response.status)
        return Rejected(f"it answered {response.status}", status=response.status)


_HOOK: Final = _Hook()


def _reveals_nothing(_ref: object) -> Secret:
    raise Rejected("an alert has no credential", cause="alert")


def _shown(place: str) -> str:
    # The path of a webhook's address is often its credential.
    return urlsplit(place).hostname or "a hook" if "://" in place else place


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
