"""Link Jira, Cloud and Data Center: this is its manifest, everything the product knows about it as data."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from connector.event import Kind
from connector.ports import Reveal
from connector.system import Places, System, Target
from connector.systems.jira import bulk, deliver, examine, lists, lookup, poll, read, recall, receive, wanted, webhooks
from connector.systems.jira.limits import headroom, limits
from connector.systems.jira.refusal import refusal
from connector.systems.jira.settings import ConnectionSchema, JiraConnection, SourceSchema, TargetSchema
from connector.systems.jira.text import comment_text


def authorize(settings: JiraConnection, reveal: Reveal) -> Mapping[str, str]:
    """Return the header that carries the credential: Basic with an e-mail or user, Bearer with a token alone."""
    auth = settings.auth
    secret = reveal(auth.token) if auth.token else reveal(auth.password) if auth.password else None
    if secret is None:
        return {}
    name = auth.email or auth.user
    if not name:
        return {"authorization": f"Bearer {secret.reveal()}"}
    pair = base64.b64encode(f"{name}:{secret.reveal()}".encode()).decode()
    return {"authorization": f"Basic {pair}"}


def _base_url(settings: JiraConnection) -> str:
    return settings.url


SYSTEM: Final = System(
    name="jira",
    title="Jira Cloud and Data Center",
    kinds=frozenset(
        {
            Kind.ISSUE_CREATED,
            Kind.ISSUE_UPDATED,
            Kind.ISSUE_DELETED,
            Kind.COMMENT_CREATED,
            Kind.COMMENT_UPDATED,
            Kind.COMMENT_DELETED,
        }
    ),
    connection=ConnectionSchema,
    source=SourceSchema,
    target_schema=TargetSchema,
    base_url=_base_url,
    authorize=authorize,
    refusal=refusal,
    limits=limits,
    headroom=headroom,
    probe=read.probe,
    verify=receive.verify,
    receive=receive.receive,
    selects=receive.selects,
    complete=read.complete,
    find=read.find,
    newest=poll.newest,
    matches=read.matches,
    poll=poll.poll,
    backfill=poll.backfill,
    target=Target(
        shape=wanted.shaped,
        text=comment_text,
        read=deliver.read,
        write=deliver.write,
        look_up=lookup.look_up,
        recall=recall.recall,
        create_many=bulk.create_many,
        most=bulk.MOST,
        examine=examine.examine,
        speaks=wanted.SPEAKS,
    ),
    lists=lists.LISTS,
    blind_spots=poll.BLIND_SPOTS,
    # Cloud repeats a delivery up to five times, 5 to 15 minutes apart; a replay by hand comes later.
    redelivers=timedelta(days=7),
    tells_mark=read.tells_mark,
    webhooks=webhooks.WEBHOOKS,
    features={
        "issues": "created, updated, deleted; all fields by name",
        "comments": "created, updated, deleted; restricted and internal ones are known as such",
        "status": "through the workflow's transitions, up to three steps",
        "polling": "every project, with the webhooks' own event ids",
        "webhook signature": "X-Hub-Signature (sha256), two secrets; or path key and addresses as hints",
        "find after an unknown outcome": "issue property, comment property, remote link globalId",
    },
    places=Places("projects", source=lambda source: source.projects, target=lambda target: (target.project,)),
    example={
        "connection": {
            "url": "https://acme.atlassian.net",
            "auth": {"email": "bot@acme.example", "token": "env:JIRA_TOKEN"},
            "webhook": {"secret": "env:JIRA_WEBHOOK_SECRET"},
        },
        "source": {"project": "WEB"},
        "target": {"project": "WEB"},
    },
    ways={
        "Jira Cloud, with an API token": {
            "url": "https://acme.atlassian.net",
            "auth": {"email": "bot@acme.example", "token": "env:JIRA_TOKEN"},
            "webhook": {"secret": "env:JIRA_WEBHOOK_SECRET"},
        },
        "Jira Data Center, with a personal access token": {
            "flavour": "data-center",
            "url": "https://jira.acme.example",
            "auth": {"token": "env:JIRA_TOKEN"},
            "webhook": {"secret": "env:JIRA_WEBHOOK_SECRET"},
        },
        "Jira Data Center, with user and password": {
            "flavour": "data-center",
            "url": "https://jira.acme.example",
            "auth": {"user": "bot", "password": "env:JIRA_PASSWORD"},
            "webhook": {"secret": "env:JIRA_WEBHOOK_SECRET"},
        },
    },
)
