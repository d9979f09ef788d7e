"""Declare Slack: what it emits, what it takes, and where each part of it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from connector.event import Kind
from connector.system import Places, System, Target
from connector.systems.slack import api, deliver, examine, lists, poll, read, recall, receive, settings, webhooks

_MAY: Final = (
    *("channels:read", "groups:read", "users:read", "users:read.email"),
    *("im:history", "mpim:history", "chat:write.public"),
)

SYSTEM: Final = System(
    name="slack",
    title="Slack",
    kinds=frozenset({Kind.MESSAGE_CREATED, Kind.MESSAGE_UPDATED, Kind.MESSAGE_DELETED}),
    connection=settings.ConnectionSchema,
    source=settings.SourceSchema,
    target_schema=settings.TargetSchema,
    base_url=lambda connection: connection.url,
    authorize=api.authorize,
    refusal=api.refusal,
    limits=api.limits,
    probe=api.probe,
    verify=receive.verify,
    receive=receive.receive,
    selects=receive.selects,
    complete=read.complete,
    find=read.find,
    newest=poll.newest,
    poll=poll.poll,
    backfill=poll.backfill,
    target=Target(
        shape=deliver.shape,
        text=deliver.text,
        read=deliver.read,
        write=deliver.write,
        look_up=deliver.look_up,
        recall=recall.recall,
        examine=examine.examine,
    ),
    tell=deliver.tell,
    places=Places(
        "channels",
        source=lambda source: source.channels,
        target=lambda target: (target.channel,),
        # Items tell the id of their channel, never its name.
        told=lambda name: not name.startswith("#"),
    ),
    lists=lists.LISTS,
    webhooks=webhooks.WEBHOOKS,
    blind_spots=poll.BLIND_SPOTS,
    # Three repeats within six minutes; an hour leaves room for a Slack that runs late.
    redelivers=timedelta(hours=1),
    needs={"read": ("channels:history|groups:history",), "write": ("chat:write",), "may": _MAY},
    features={
        "forms": "slash commands and interactions are accepted and ignored",
        "messages": "one thread for each entity, kept up to date in place",
        "comments": "replies, edited and deleted with their source",
        "look-up": "by message metadata, needs channels:history",
    },
    example={
        "connection": {
            "auth": {"token": "env:SLACK_TOKEN"},
            "webhook": {"secret": "env:SLACK_SIGNING_SECRET"},
        },
        "source": {"channels": ["C024BE91L"]},
        "target": {"channel": "#general"},
    },
)
