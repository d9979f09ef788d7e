"""Know GitHub: issues, pull requests and comments, read by webhook and poll, written over REST."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from connector.event import Kind
from connector.system import Places, System
from connector.systems.github import (
    api,
    deliver,
    examine,
    limits,
    lists,
    poll,
    recall,
    receive,
    recorded,
    refusal,
    reread,
    webhooks,
)
from connector.systems.github.settings import Connection, ConnectionSchema, SourceSchema, TargetSchema


def _base_url(settings: Connection) -> str:
    return settings.url.rstrip("/")


SYSTEM: Final = System(
    name="github",
    title="GitHub",
    kinds=frozenset(
        {
            Kind.ISSUE_CREATED,
            Kind.ISSUE_UPDATED,
            Kind.ISSUE_DELETED,
            Kind.COMMENT_CREATED,
            Kind.COMMENT_UPDATED,
            Kind.COMMENT_DELETED,
            Kind.PULL_REQUEST_CREATED,
            Kind.PULL_REQUEST_UPDATED,
            Kind.PULL_REQUEST_MERGED,
            Kind.PULL_REQUEST_CLOSED,
        }
    ),
    connection=ConnectionSchema,
    source=SourceSchema,
    target_schema=TargetSchema,
    base_url=_base_url,
    authorize=api.authorize,
    refusal=refusal.refusal,
    limits=limits.limits,
    headroom=limits.headroom,
    probe=api.probe,
    verify=receive.verify,
    receive=receive.receive,
    selects=receive.selects,
    complete=reread.complete,
    find=reread.find,
    newest=poll.newest,
    poll=poll.poll,
    backfill=poll.backfill,
    target=replace(deliver.TARGET, recall=recall.recall, examine=examine.examine),
    lists=lists.LISTS,
    blind_spots=(
        "Deleted and transferred issues, and deleted comments, are only told by webhook.",
        "Reviews and comments on code are only told by webhook.",
        "Who changed an issue, and what it was before, are only told by webhook.",
        "An issue that was only commented on is also polled as changed.",
    ),
    polled_only=frozenset({Kind.ISSUE_UPDATED, Kind.PULL_REQUEST_UPDATED}),
    # A person may redeliver a webhook for about 3 days (older documentation: 30).
    redelivers=timedelta(days=7),
    conditional=True,
    # Classic tokens tell their scopes; fine-grained ones do not.
    needs={
        "read": ("repo|public_repo",),
        "write": ("repo|public_repo",),
        "may": ("read:repo_hook|write:repo_hook|admin:repo_hook", "read:org", "read:user|user:email"),
    },
    implied=recorded.implied,
    webhooks=webhooks.WEBHOOKS,
    features={
        "forms": "GitHub's web form offers form encoding first; JSON is better.",
        "relate": "A comment that names the other side: GitHub has no remote links.",
        "text": "GitHub Flavored Markdown, 65,536 characters.",
    },
    places=Places(
        "repositories", source=lambda source: source.repositories, target=lambda target: (target.repository,)
    ),
    example={
        "connection": {"auth": {"token": "env:GITHUB_TOKEN"}, "webhook": {"secret": "env:GITHUB_WEBHOOK_SECRET"}},
        "source": {"repositories": ["acme/web", "acme/api"]},
        "target": {"repository": "acme/web"},
    },
    ways={
        "github.com": {"auth": {"token": "env:GITHUB_TOKEN"}, "webhook": {"secret": "env:GITHUB_WEBHOOK_SECRET"}},
        "GitHub Enterprise Server": {
            "url": "https://github.acme.example/api/v3",
            "auth": {"token": "env:GITHUB_TOKEN"},
            "webhook": {"secret": "env:GITHUB_WEBHOOK_SECRET"},
        },
    },
)
