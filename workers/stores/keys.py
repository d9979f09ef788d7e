"""Build every key there is, and say what stands under it.

One connector is one hash tag, ``jc:{uid}:``, because every transition of a delivery is one script;
one connection is another, ``jc:{@name}:``; what is published of the configuration is ``jc:{=}:``.  A
connector's name cannot hold ``@`` or ``=``, so they never meet.  Scripts get the tag as their only
``KEYS`` and build names from it: no script touches two tags.

Per connector (``jc:{uid}:`` + name)

====================  ======  ==========================================================  ==================
name                  type    holds                                                       life
====================  ======  ==========================================================  ==================
``meta``              hash    ``seq`` of deliveries, ``w`` write counter, ``turn`` number  for ever
                              of tokens, ``order`` of becoming ready, ``claims`` so far,
                              ``unanswered`` doorbells in a row, ``open_at`` ms (closed
                              until), ``open_why``, ``hush`` ms (no bell until),
                              ``shut:<lane>`` ms (the lane is left alone until),
                              ``format``, ``activated`` ms (first seen by anybody: where
                              its polls begin), ``alive`` ms of the last write; ``called``
                              (ms until which nobody else is asked to start a
                              quarantine); ``halted``, ``doubt_*``: lua/epoch.lua;
                              ``brake``: lua/intent.lua
``counts``            hash    accepted, delivered, skipped, dead, discarded, in_flight;    for ever
                              ``retries``, ``filtered``, ``missed``, ``overtaken``,
                              ``late``, ``died`` besides; ``calls`` (API calls that deliveries
                              took) and ``calls:<connection>``; ``used:*``: stores/usage.py
``days``              hash    day since 1970 (UTC) -> the counts when it began (JSON list)  90 d
``minute:<n>``        hash    what was counted in that minute since 1970; ``lag:<n>``     3 h
                              deliveries within 125 ms times two to the n
``own``               hash    subject -> ``r:<lane>`` ready, ``d`` due, ``p:<gate>``       while it has mail
                              parked, ``s`` set apart, else the token of the turn that
                              holds it
``ready:<lane>``      zset    subjects that may be claimed, by order of becoming ready     while ready
``suspects``          zset    subjects whose first letter only the quarantine may try     while suspected
``slots``             zset    tokens of rung doorbells (``b``), live turns (``t``) and      until expiry
                              turns of the quarantine (``q``) -> expiry ms; a turn's
                              token ends with ``-`` and the name of its process
``turns``             hash    token -> subjects that the turn holds (JSON)                 the turn
``due``               zset    subjects that wait -> until ms                               while waiting
``mail:<subject>``    zset    deliveries of one mailbox by sequence                        until settled
``d:<delivery>``      hash    one delivery: event, entity, subject, kind, lane, key, seq,  until settled; dead: 30 d
                              at, attempts, state, and its failures; ``batch`` the
                              digest that has been announced with it; ``suspect`` 1, or
                              the turn that tries it alone; ``crashes`` while alone
``b:<delivery>``      string  codec byte + event body                                      until settled; dead: 30 d
``created``           set     effects of creations while the brake counts them             until it is over
``seen:<delivery>``   string  dedupe mark (1, dead, discarded)                             as its source redelivers
``dead``              zset    dead letters by time of death                                30 d
``deadof:<entity>``   set     dead letters of an entity, for what supersedes them          while dead
``fx:<effect>``       hash    intent, then effect: state, action, turn, at, remote...;     30 d; messages: as links
                              ``told`` ISO time of a copied comment's text
``unsure``            hash    source entity -> fields (JSON) of an update whose outcome is   until it is known
                              not known
``links``             hash    source entity -> link JSON                                   for ever
``back``              hash    target entity -> source entity                               for ever
``alias``             hash    entity -> subject whose mailbox it shares                    for ever
``unlinked``          hash    entity of an ended pair -> JSON {source, target, key,       until linked anew
                              source_key, by, reason, at}: it is not copied anew
``questions``         set     source entities of pairs with a field that a person decides   until decided
``decisions``         hash    source entity and field -> JSON {take, value, by, at}         until carried out
``gates``             hash    gate -> JSON {why, since...}: see ``lua/gates.lua``          until opened
``gate:<gate>``       set     subjects parked behind one without a clock                   until opened
``held:<gate>``       zset    subjects parked behind one with a clock, in order            until opened
``gatedue``           zset    gates with a clock -> when a scan looks at them, in ms       until opened
``canary``            hash    subject -> the gate whose canary it is                       until its outcome
``causes``            hash    gate of a cause not yet systemic -> JSON {kind, where}       the window
``window:<gate>``     hash    entity -> JSON {at, ids}: its last death of that cause       the window
``polled``            zset    deliveries that only a poll has brought so far -> ms          until counted: 20 min
``alerting``          string  somebody tells the owner                                    30 s
``alerted``           hash    cause -> JSON of what its owner was last told of it         until it is over
``care``              hash    group of dead letters -> JSON {stage, assignee, note...}     90 d after resolved
``orders``            zset    orders to replay dead letters, by time                      the last 100
``unfinished``        set     those not yet done                                          until done
``order:<id>``        hash    one order: state, rate, total, replayed, passed, story      30 d
``ordered:<id>``      zset    its letters by sequence                                     until done
``recalled``          hash    effect -> entity JSON of what a rebuild found in the target   the rebuild
``recovering``        string  somebody brings in what a store that went back in time lost   two calls
``examining``         string  the connector (a digest) that somebody examines or has         until the next is due
                              examined
``examined``          string  what the last examination of its target found (JSON)        30 d
``polling``           string  somebody polls                                              the poll's interval
``moment``            string  the last moment of the poll's cron that was served, in ms    for ever
``scanned``           string  when somebody scanned last, in ms                           1 s
``cursor``            hash    where a poll resumes (JSON): ``poll``, ``poll_back`` of a     for ever
                              two-way connector's target; ``owed`` from when on
                              to read again, ``again`` how far that has come;
                              ``recall``, ``retrace`` of a rebuild
``shadow:<hour>``     hash    what shadow mode saw in that hour since 1970: ``events``,   15 d
                              ``would:<action>``, ``field:<verdict>:<field>``,
                              ``refused:<error>:<cause>``, ``lag:<n>``...
``shadows``           list    the last things shadow mode saw (JSON), without values      15 d, 100 rows
``shadowed``          hash    source entity -> digests (JSON) of what its target would    15 d, 5,000 items
                              hold
``shadowedat``        zset    these source entities -> when that was, in ms               15 d, 5,000 items
``versions``          hash    version of the connector -> record (compressed JSON);        30 versions
                              ``<version>:n`` deliveries made by it, ``:first`` and
                              ``:last`` ms it was used
``settled``           stream  the last settled deliveries, for people                      about 10,000 rows
``audit``             stream  the tail of the audit                                        about 20,000 rows
====================  ======  ==========================================================  ==================

Per connection (``jc:{@name}:`` + name)

====================  ======  ==========================================================  ==================
``state``             hash    closed_until ms, kind (limit, breaker, paused), why, since,  for ever
                              opened (times in a row); ``closed:<class>`` until ms and
                              ``why:<class>`` of an endpoint class that is closed alone;
                              of a half-open breaker ``half`` (probes of this round),
                              ``left``, ``good``, ``probed`` ms
``failing``           zset    entities that failed since the last success -> ms            until a success
``tat:<bucket>``      string  GCRA: theoretical arrival time in microseconds               its period
``win:<bucket>``      hash    a window: ``end`` ms, ``used`` units, ``W`` weight of all,   its period
                              ``w:<connector>`` weight, ``u:<connector>`` units
``asking:<bucket>``   zset    connector|lane|weight that shares it -> until ms             a minute
``part:<bucket>``     hash    connector|lane -> arrival time of its own part               a minute
``took:<holder>``     string  last grant of a thread (JSON), for a lost answer             30 s
``probe``             string  somebody tries the paused credential                        10 s
``inbox``             hash    envelope id -> raw envelope not yet accepted everywhere      until accepted
``unread``            hash    id -> raw payloads that we could not read                    30 d, about 1,000
``calls``             hash    number of API calls by endpoint class                        for ever
``hook``              hash    its webhooks: ``proven`` and ``refused`` ms of the last that  for ever
                              arrived and ``..._what`` became of it; ``urls`` (JSON), public
                              URLs they have pointed to; ``places`` (JSON) that have one
``hooked``            string  for what they were last looked after                         a day
``hooking``           string  somebody installs them                                       2 min
====================  ======  ==========================================================  ==================

Over all connectors (``jc:{!}:`` + name)

====================  ======  ==========================================================  ==================
``stops``             hash    ``all``, ``team:<name>``, ``connector:<uid>`` -> JSON: who   until started
                              has stopped it, why, since ms
====================  ======  ==========================================================  ==================

Per store (``jc:{=}:`` + name): the published configuration

====================  ======  ==========================================================  ==================
``now``               string  the version in force: number, ms, hash, story (JSON)         for ever
``versions``          list    the last versions, newest first, each as ``now``             the last 50
``documents``         hash    hash of a version -> its packed documents                    as ``versions``
``followers``         hash    name of a process -> JSON: what it follows, what it refuses  1 h after its end
====================  ======  ==========================================================  ==================
"""

from __future__ import annotations

from typing import Final

FORMAT: Final = 1
"""Version of every stored record; N and N-1 may run together, newer is refused at start."""

DEAD_DAYS: Final = 30
INTENT_DAYS: Final = 30
SETTLED_ROWS: Final = 10_000
AUDIT_ROWS: Final = 20_000
DAY_MS: Final = 86_400_000


def connector_tag(uid: str) -> str:
    """Return the prefix of all keys of a connector."""
    return f"jc:{{{uid}}}:"


def connection_tag(name: str) -> str:
    """Return the prefix of all keys of a connection."""
    return f"jc:{{@{name}}}:"


CONFIGURATION_TAG: Final = "jc:{=}:"
"""The prefix of all keys of the published configuration."""


STOPS: Final = "jc:{!}:stops"
"""The switches that stop connectors."""


def tag_of(key: str) -> str:
    """Return the hash tag of a key: what decides on its cluster slot."""
    return key[key.index("{") + 1 : key.index("}")]
