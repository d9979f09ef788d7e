"""Prove for any system what the rest of the product relies on; a system's test class inherits it.

A class gives the facts below (about twenty lines) and gets the tests for free::

    class TestGitHub(SystemContract):
        system = SYSTEM
        connection = {"auth": {"token": "env:TOKEN"}, "webhook": {"secret": "env:HOOK"}}
        secrets = {"TOKEN": "ghp_bot", "HOOK": "It's a Secret", "OLD": "older"}
        source = {"repositories": ["acme/web"]}
        target = {"repository": "acme/web"}
        ...
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from marshmallow import ValidationError

from connector.declare import chosen_from
from connector.errors import (
    ConnectorError,
    Forbidden,
    RateLimited,
    Rejected,
    Retryable,
    Stale,
    Unauthorized,
    Unreadable,
    Untrusted,
)
from connector.event import Entity, Event, Kind
from connector.examining import Fed, Finding, Gives, Level, Named, Needs
from connector.link import Marker, effect_key
from connector.listed import ASKED, KINDS, Listed, Takes
from connector.ports import Request, Response
from connector.sandbox import Fault, Hook, Sandbox
from connector.system import Absent, Action, Change, Inbound, Received, System, Trust, Written
from tests.systems.direct import Bench, Clock, bench, reveals


class SystemContract:
    """The laws of a system."""

    system: ClassVar[System]
    connection: ClassVar[Mapping[str, Any]]
    """A connection as YAML gives it, common members left out; secrets as ``env:NAME``."""
    secrets: ClassVar[Mapping[str, str]]
    source: ClassVar[Mapping[str, Any]]
    target: ClassVar[Mapping[str, Any]]
    wanted: ClassVar[Mapping[str, Any]]
    """Field values (name a user writes -> value) that create an entity in the target."""
    edited: ClassVar[Mapping[str, Any]]
    """One of those fields with another value."""
    signed: ClassVar[bool] = True
    """False where this flavour of the source cannot sign."""
    unpolled: ClassVar[frozenset[Kind]] = frozenset()
    """Kinds that polling cannot see (deletions, mostly)."""
    statuses: ClassVar[Mapping[int, type[ConnectorError]]] = {
        400: Rejected,
        401: Unauthorized,
        403: Forbidden,
        409: Stale,
        422: Rejected,
        429: RateLimited,
        500: Retryable,
        502: Retryable,
        503: Retryable,
        504: Retryable,
    }
    """HTTP status -> class, for an empty body; a vendor that answers 200 with an error overrides it."""
    asked: ClassVar[Mapping[str, Mapping[str, str]]]
    """Kind of list -> the query that lists what belongs to `target`."""

    # --- what a system's class provides -------------------------------------------------------
    def new(self) -> Sandbox:
        """Return a fresh sandbox that knows `secrets`, signs with the first webhook secret, and holds
        what `source` and `target` name."""
        raise AssertionError("a contract class gives new()")

    def live(self, here: Bench) -> None:
        """Let people do, in the sandbox, everything that makes the kinds that the manifest declares.

        Use other credentials than the bot's; move ``here.clock`` between actions.
        """
        raise AssertionError("a contract class gives live()")

    def sign(self, inbound: Inbound, secret: str, now: datetime) -> Inbound:
        """Return the request signed with ``secret`` at ``now`` (old signature headers replaced)."""
        raise AssertionError("a contract class gives sign()")

    def signature_headers(self) -> tuple[str, ...]:
        """Name the headers that carry the signature, lower case."""
        raise AssertionError("a contract class gives signature_headers()")

    # --- fixtures -------------------------------------------------------------------------------
    @pytest.fixture
    def here(self) -> Bench:
        return bench(self.system, self.new(), self.connection, self.secrets)

    @pytest.fixture
    def lived(self, here: Bench) -> tuple[Bench, list[Hook]]:
        hooks: list[Hook] = []
        self.live(here)
        here.clock.move(timedelta(minutes=1))
        hooks.extend(here.sandbox.hooks(here.clock()))
        return here, hooks

    def inbound(self, hook: Hook) -> Inbound:
        return Inbound({k.lower(): v for k, v in hook.headers.items()}, hook.body)

    def received(self, here: Bench, hook: Hook) -> Received:
        return self.system.receive(here.site.connection, here.site.settings, self.inbound(hook), Trust.SIGNED)

    def events(self, here: Bench, hooks: list[Hook]) -> list[Event]:
        return [event for hook in hooks for event in self.received(here, hook).events]

    def source_settings(self) -> Any:
        assert self.system.source is not None
        return self.system.source().load(dict(self.source))

    def target_settings(self) -> Any:
        assert self.system.target_schema is not None
        return self.system.target_schema().load(dict(self.target))

    def marker(self, word: str) -> Marker:
        return Marker("test", "elsewhere", effect_key("contract", "elsewhere:issue:1", "create", word))

    def change(self, here: Bench, word: str = "one", wanted: Mapping[str, Any] | None = None) -> Change:
        assert self.system.target is not None
        shaped = self.system.target.shape(here.site, self.target_settings(), dict(wanted or self.wanted), None)
        now = {name: value for name, value in shaped.fields.items() if name not in shaped.later}
        marker = self.marker(word)
        return Change(Action.CREATE, marker.effect, marker, fields=now)

    def created(self, here: Bench, word: str = "one") -> Written:
        assert self.system.target is not None
        return self.system.target.write(here.site, self.target_settings(), self.change(here, word))

    def comment(self, here: Bench, entity: Entity, words: str = "Hello **there**") -> Change:
        assert self.system.target is not None
        body, _ = self.system.target.text(here.site, self.target_settings(), {"format": "markdown", "content": words})
        marker = self.marker("comment " + words)
        return Change(Action.COMMENT, marker.effect, marker, entity=entity, body=body)

    # --- manifest and settings --------------------------------------------------------------------
    def test_settings_reject_unknown_keys_and_say_which(self) -> None:
        with pytest.raises(ValidationError) as caught:
            self.system.connection().load({**self.connection, "tokn": 1})
        assert "tokn" in json.dumps(caught.value.messages)

    def test_a_pasted_secret_is_refused_and_not_repeated(self) -> None:
        with pytest.raises(ValidationError) as caught:
            self.system.connection().load({**self.connection, "webhook": {"secret": "hunter2hunter2"}})
        assert "hunter2" not in str(caught.value)

    def test_no_secret_is_in_the_repr_of_settings(self, here: Bench) -> None:
        text = repr(here.site.settings) + repr(here.system)
        assert not [value for value in self.secrets.values() if value in text]

    def test_every_way_to_make_a_connection_loads(self) -> None:
        for title, members in self.system.ways.items():
            assert self.system.connection().load(dict(members)), title

    def test_what_is_chosen_from_a_list_has_such_a_list(self) -> None:
        for schema in (self.system.source, self.system.target_schema):
            for name, one in schema().fields.items() if schema else ():
                if (found := chosen_from(one)) is not None:
                    kind, word = found
                    assert kind in self.system.lists, name
                    assert word in {"id", "name", "key"}

    # --- inbound ------------------------------------------------------------------------------------
    def test_the_kinds_seen_are_the_kinds_declared(self, lived: tuple[Bench, list[Hook]]) -> None:
        here, hooks = lived
        seen = {event.kind for event in self.events(here, hooks)}
        assert seen == set(self.system.kinds), "declare what you emit, emit what you declare"

    def test_a_signed_webhook_is_trusted(self, lived: tuple[Bench, list[Hook]]) -> None:
        here, hooks = lived
        if not self.signed:
            pytest.skip("this flavour cannot sign")
        for hook in hooks:
            trust = self.system.verify(here.site.settings, self.inbound(hook), reveals(self.secrets), here.clock())
            assert trust is Trust.SIGNED

    def test_the_same_webhook_twice_gives_the_same_event_ids(self, lived: tuple[Bench, list[Hook]]) -> None:
        here, hooks = lived
        first = [event.id for event in self.events(here, hooks)]
        assert first == [event.id for event in self.events(here, hooks)]
        assert len(first) == len(set(first))

    def test_every_time_has_a_zone_and_every_entity_an_id(self, lived: tuple[Bench, list[Hook]]) -> None:
        here, hooks = lived
        for event in self.events(here, hooks):
            assert event.at.tzinfo is not None
            assert event.entity.id
            assert event.entity.connection == here.site.connection
            for name in ("created", "updated"):
                if event.data.get(name):
                    assert datetime.fromisoformat(event.data[name]).tzinfo is not None

    def test_events_survive_json(self, lived: tuple[Bench, list[Hook]]) -> None:
        here, hooks = lived
        for event in self.events(here, hooks):
            assert json.loads(json.dumps(event.data)) == event.data
            assert json.loads(json.dumps(event.raw)) == event.raw

    def test_the_source_settings_select_its_own_events(self, lived: tuple[Bench, list[Hook]]) -> None:
        here, hooks = lived
        reasons = {self.system.selects(self.source_settings(), event) for event in self.events(here, hooks)}
        assert "" in reasons

    @pytest.mark.parametrize("forgery", ["missing", "wrong", "truncated", "uppercase", "body", "empty"])
    def test_a_forged_signature_is_refused(self, lived: tuple[Bench, list[Hook]], forgery: str) -> None:
        here, hooks = lived
        if not self.signed:
            pytest.skip("this flavour cannot sign")
        good = self.inbound(hooks[0])
        headers, body = dict(good.headers), good.body
        for name in self.signature_headers():
            value = headers.get(name, "")
            prefix, sep, digest = value.rpartition("=")
            match forgery:
                case "missing":
                    headers.pop(name, None)
                case "wrong":
                    headers[name] = prefix + sep + ("0" * len(digest))
                case "truncated":
                    headers[name] = value[:-2]
                case "uppercase":
                    headers[name] = prefix + sep + digest.upper()
                case "empty":
                    headers[name] = ""
                case _:
                    body = good.body + b" "
        with pytest.raises(Untrusted) as caught:
            self.system.verify(here.site.settings, Inbound(headers, body), reveals(self.secrets), here.clock())
        good_digests = [good.headers.get(n, "").rpartition("=")[2] for n in self.signature_headers()]
        assert not [d for d in good_digests if d and d in str(caught.value)]

    def test_both_secrets_are_accepted_during_a_rotation(self, lived: tuple[Bench, list[Hook]]) -> None:
        here, hooks = lived
        if not self.signed:
            pytest.skip("this flavour cannot sign")
        settings = self.system.connection().load({**self.connection, "webhook": {"secret": ["env:NEW", "env:OLD"]}})
        secrets = {**self.secrets, "NEW": "the new secret", "OLD": "the old secret"}
        for secret in ("the new secret", "the old secret"):
            inbound = self.sign(self.inbound(hooks[0]), secret, here.clock())
            assert self.system.verify(settings, inbound, reveals(secrets), here.clock()) is Trust.SIGNED
        with pytest.raises(Untrusted):
            self.system.verify(
                settings, self.sign(self.inbound(hooks[0]), "third", here.clock()), reveals(secrets), here.clock()
            )

    @pytest.mark.parametrize(
        "body", [b"{}", b"[]", b"null", b"1", b'"x"', b'{"event": 1}', b'{"issue": null, "action": []}']
    )
    def test_strange_bodies_do_not_crash_the_reader(
        self, here: Bench, lived: tuple[Bench, list[Hook]], body: bytes
    ) -> None:
        _, hooks = lived
        for hook in hooks[:3]:
            inbound = Inbound(self.inbound(hook).headers, body)
            try:
                got = self.system.receive(here.site.connection, here.site.settings, inbound, Trust.SIGNED)
            except Unreadable:
                continue
            assert got.ignored or got.reply or got.events

    # --- polls -------------------------------------------------------------------------------------
    def polled(self, here: Bench, cursor: Mapping[str, Any]) -> tuple[list[Event], Mapping[str, Any]]:
        assert self.system.poll is not None
        events: list[Event] = []
        for _ in range(100):
            page = self.system.poll(here.site, self.source_settings(), cursor, here.clock())
            events.extend(page.events)
            cursor = page.cursor
            if not page.more:
                return events, cursor
        raise AssertionError("the poll never ends")

    def test_a_poll_gives_the_ids_that_webhooks_gave(self, here: Bench) -> None:
        if self.system.poll is None:
            pytest.skip("not polled")
        _, cursor = self.polled(here, {})
        here.clock.move(timedelta(minutes=1))
        self.live(here)
        here.clock.move(timedelta(minutes=10))
        hooked = self.events(here, here.sandbox.hooks(here.clock()))
        selected = [e for e in hooked if not self.system.selects(self.source_settings(), e)]
        events, _ = self.polled(here, cursor)
        appended = {
            e.id for e in selected if e.kind not in self.unpolled and not e.kind.is_state and e.kind is not Kind.OTHER
        }
        gone = {(e.entity.ref, e.sub) for e in selected if e.kind in self.unpolled}
        missing = {
            i
            for i in appended - {e.id for e in events}
            if not any(i.startswith(f"{ref}/") and (not sub or f"/{sub}/" in i) for ref, sub in gone)
        }
        # A comment edited twice is polled in its last state only.
        latest = {(e.entity.ref, e.kind, e.sub): e.id for e in selected if e.kind is not Kind.OTHER}
        assert not {i for i in missing if i in latest.values()}
        seen_states = {e.entity.ref for e in events if e.kind.is_state}
        wanted_states = {e.entity.ref for e in selected if e.kind.is_state} - {ref for ref, sub in gone if not sub}
        assert wanted_states <= seen_states

    def test_an_empty_page_keeps_the_cursor(self, here: Bench) -> None:
        if self.system.poll is None:
            pytest.skip("not polled")
        _, cursor = self.polled(here, {})
        here.clock.move(timedelta(minutes=30))
        _, again = self.polled(here, cursor)
        events, third = self.polled(here, again)
        assert third == again
        assert events == [] or {e.id for e in events}

    def test_a_crash_before_the_cursor_was_stored_repeats_but_never_skips(self, here: Bench) -> None:
        if self.system.poll is None:
            pytest.skip("not polled")
        _, cursor = self.polled(here, {})
        here.clock.move(timedelta(minutes=1))
        self.live(here)
        here.clock.move(timedelta(minutes=10))
        first, _lost = self.polled(here, cursor)
        second, _ = self.polled(here, cursor)
        assert {e.id for e in first} <= {e.id for e in second}
        assert first

    def test_the_newest_items_come_first_and_no_more_than_were_asked_for(self, here: Bench) -> None:
        if self.system.newest is None:
            pytest.skip("cannot be asked for its newest")
        for _ in range(3):
            self.live(here)
            here.clock.move(timedelta(minutes=10))
        source = self.source_settings()
        found = self.system.newest(here.site, source, 50)
        assert len(found) >= 3
        assert len({event.entity.ref for event in found}) == len(found)
        assert [event.at for event in found] == sorted((event.at for event in found), reverse=True)
        assert not [reason for event in found if (reason := self.system.selects(source, event))]
        assert [event.id for event in self.system.newest(here.site, source, 2)] == [event.id for event in found[:2]]

    # --- outbound ----------------------------------------------------------------------------------
    def test_a_created_entity_is_found_by_its_marker(self, here: Bench) -> None:
        target = self.system.target
        if target is None:
            pytest.skip("not a target")
        change = self.change(here)
        since = here.clock()
        written = target.write(here.site, self.target_settings(), change)
        here.clock.move(timedelta(minutes=10))
        found = target.look_up(here.site, self.target_settings(), change, since)
        assert isinstance(found, Written)
        assert found.entity.id == written.entity.id
        assert found.fresh is False

    def test_what_was_not_written_is_not_found(self, here: Bench) -> None:
        target = self.system.target
        if target is None:
            pytest.skip("not a target")
        self.created(here, "another")
        here.clock.move(timedelta(minutes=10))
        found = target.look_up(here.site, self.target_settings(), self.change(here, "never"), here.clock())
        assert isinstance(found, Absent)

    @pytest.mark.parametrize("fault", ["apply_then_drop", "apply_then_status"])
    def test_a_create_that_landed_unseen_is_found_again_not_doubled(self, here: Bench, fault: str) -> None:
        target = self.system.target
        if target is None:
            pytest.skip("not a target")
        change = self.change(here)
        since = here.clock()
        here.sandbox.faults.on.append(Fault(fault, method="POST", times=1, status=502))
        with pytest.raises(Retryable) as caught:
            target.write(here.site, self.target_settings(), change)
        assert caught.value.sent is True
        here.clock.move(timedelta(minutes=10))
        found = target.look_up(here.site, self.target_settings(), change, since)
        assert isinstance(found, Written)
        assert here.sandbox.ledger.duplicates() == []

    def test_what_we_made_is_recalled_by_its_marker(self, here: Bench) -> None:
        target = self.system.target
        if target is None or target.recall is None:
            pytest.skip("cannot be recalled")
        made = {}
        for number in range(3):
            written = self.created(here, f"recalled {number}")
            made[str(self.change(here, f"recalled {number}").marker)] = written.entity.ref
            here.clock.move(timedelta(minutes=2))
        target.write(here.site, self.target_settings(), self.comment(here, written.entity))
        here.clock.move(timedelta(minutes=10))
        found: dict[str, str] = {}
        cursor: Mapping[str, Any] = {}
        for _ in range(100):
            page = target.recall(here.site, self.target_settings(), json.loads(json.dumps(cursor)))
            found |= {one.marker: one.entity.ref for one in page.things}
            cursor = page.cursor
            if not page.more:
                break
        assert found == made

    def test_many_that_are_created_at_once_are_found_like_one(self, here: Bench) -> None:
        target = self.system.target
        assert target is not None
        if target.create_many is None:
            pytest.skip("it creates one at a time")
        changes = [self.change(here, word) for word in ("one", "two", "three")]
        since = here.clock()
        outcomes = target.create_many(here.site, self.target_settings(), changes)
        here.clock.move(timedelta(minutes=10))
        assert len({one.entity.ref for one in outcomes if isinstance(one, Written)}) == len(changes) <= target.most
        for change, outcome in zip(changes, outcomes, strict=True):
            assert isinstance(outcome, Written)
            found = target.look_up(here.site, self.target_settings(), change, since)
            assert isinstance(found, Written)
            assert found.entity.ref == outcome.entity.ref
        assert here.sandbox.ledger.duplicates() == []

    def test_a_comment_that_landed_unseen_is_found_again_not_doubled(self, here: Bench) -> None:
        target = self.system.target
        if target is None:
            pytest.skip("not a target")
        entity = self.created(here).entity
        change = self.comment(here, entity)
        since = here.clock.move(timedelta(seconds=5))
        here.sandbox.faults.on.append(Fault("apply_then_drop", method="POST", times=1))
        with pytest.raises(Retryable):
            target.write(here.site, self.target_settings(), change)
        here.clock.move(timedelta(minutes=10))
        found = target.look_up(here.site, self.target_settings(), change, since)
        assert isinstance(found, Written)
        assert found.remote
        assert here.sandbox.ledger.duplicates() == []

    def test_a_comment_is_written_edited_and_deleted(self, here: Bench) -> None:
        target = self.system.target
        if target is None:
            pytest.skip("not a target")
        entity = self.created(here).entity
        change = self.comment(here, entity)
        written = target.write(here.site, self.target_settings(), change)
        assert written.remote
        body, _ = target.text(here.site, self.target_settings(), {"format": "markdown", "content": "Changed"})
        edit = dataclasses.replace(change, action=Action.EDIT_COMMENT, remote=written.remote, body=body)
        target.write(here.site, self.target_settings(), edit)
        gone = dataclasses.replace(change, action=Action.DELETE_COMMENT, remote=written.remote)
        target.write(here.site, self.target_settings(), gone)
        actions = [e.action for e in here.sandbox.ledger.effects]
        assert len([a for a in actions if a.startswith("delete")]) == 1
        # Deleting what is gone already is the state that was wanted.
        target.write(here.site, self.target_settings(), gone)

    def test_an_update_changes_what_it_names_and_reads_back_equal(self, here: Bench) -> None:
        target = self.system.target
        if target is None:
            pytest.skip("not a target")
        entity = self.created(here).entity
        shaped = target.shape(here.site, self.target_settings(), dict(self.edited), entity)
        marker = self.marker("update")
        change = Change(Action.UPDATE, marker.effect, marker, fields=shaped.fields, entity=entity)
        target.write(here.site, self.target_settings(), change)
        now = target.read(here.site, self.target_settings(), entity)
        assert now is not None
        for name, value in shaped.fields.items():
            assert now["fields"][name] == value

    def examined(self, here: Bench, wanted: Mapping[str, Any]) -> list[Finding]:
        target = self.system.target
        if target is None or target.examine is None:
            pytest.skip("it examines nothing")
        fields = tuple(
            Fed(
                name,
                ("mapping", name),
                Gives.ANYTHING,
                (Named(("mapping", name, "value"), value),),
                closed=True,
                always=True,
            )
            for name, value in wanted.items()
        )
        before = len(here.sandbox.ledger.effects)
        found = list(target.examine(here.site, self.target_settings(), Needs(fields, comments=True)))
        assert [request.path for request in here.transport.sent if request.writes] == []
        assert len(here.sandbox.ledger.effects) == before
        return found

    def test_an_examination_of_what_can_be_written_finds_no_problem(self, lived: tuple[Bench, list[Hook]]) -> None:
        here, _ = lived
        found = self.examined(here, self.wanted)
        assert [one for one in found if one.level is Level.PROBLEM] == []
        assert {one.path[1] for one in found if one.path[:1] == ("mapping",)} == set(self.wanted)

    def test_an_examination_says_where_what_cannot_be_written_stands(self, lived: tuple[Bench, list[Hook]]) -> None:
        here, _ = lived
        found = self.examined(here, {**self.wanted, "No Such Field": "x"})
        (wrong,) = [one for one in found if one.level is Level.PROBLEM]
        assert wrong.path[:2] == ("mapping", "No Such Field")
        assert wrong.cause
        assert wrong.act

    def test_shaping_the_same_values_twice_gives_the_same(self, here: Bench) -> None:
        target = self.system.target
        if target is None:
            pytest.skip("not a target")
        one = target.shape(here.site, self.target_settings(), dict(self.wanted), None)
        two = target.shape(here.site, self.target_settings(), dict(self.wanted), None)
        assert one == two
        json.dumps(one.fields)

    def test_an_unknown_field_is_rejected_by_name(self, here: Bench) -> None:
        target = self.system.target
        if target is None:
            pytest.skip("not a target")
        with pytest.raises(Rejected) as caught:
            target.shape(here.site, self.target_settings(), {**self.wanted, "No Such Field": "x"}, None)
        assert "No Such Field" in caught.value.fields

    def test_our_own_comment_comes_back_with_our_marker(self, here: Bench) -> None:
        target = self.system.target
        if target is None:
            pytest.skip("not a target")
        here.sandbox.hooks(here.clock())
        entity = self.created(here).entity
        change = self.comment(here, entity)
        target.write(here.site, self.target_settings(), change)
        here.clock.move(timedelta(minutes=1))
        events = self.events(here, here.sandbox.hooks(here.clock()))
        appended = [e for e in events if e.kind in {Kind.COMMENT_CREATED, Kind.MESSAGE_CREATED}]
        assert appended
        known = [self.system.complete(here.site, e) if e.partial else e for e in appended]
        assert str(change.marker) in {e.marker for e in known if e is not None}

    def test_an_entity_that_is_gone_reads_as_none_or_is_forbidden(self, here: Bench) -> None:
        target = self.system.target
        if target is None:
            pytest.skip("not a target")
        entity = self.created(here).entity
        ghost = dataclasses.replace(
            entity, id=entity.id[:-1] + "9" if entity.id[-1] != "9" else entity.id + "9", key=entity.key + "999"
        )
        try:
            assert target.read(here.site, self.target_settings(), ghost) is None
        except (Forbidden, Rejected):
            return

    # --- refusals ----------------------------------------------------------------------------------
    def test_each_refusal_becomes_the_right_error(self) -> None:
        for status, wanted in self.statuses.items():
            for body in (b"", b"<html>no</html>", b"{}"):
                got = self.system.refusal(Request("POST", "/x"), Response(status, {}, body))
                assert type(got) is wanted, f"{status} {body!r} became {got!r}"

    def test_a_rate_limit_says_how_long(self) -> None:
        got = self.system.refusal(Request("POST", "/x"), Response(429, {"retry-after": "17"}, b"{}"))
        assert isinstance(got, RateLimited)
        assert got.retry_after == timedelta(seconds=17)
        got = self.system.refusal(Request("POST", "/x"), Response(429, {"retry-after": "soon"}, b"{}"))
        assert isinstance(got, RateLimited)

    def test_a_server_error_after_a_write_is_an_unknown_outcome(self) -> None:
        got = self.system.refusal(Request("POST", "/x"), Response(500, {}, b""))
        assert isinstance(got, Retryable)
        assert got.sent is True

    def test_an_expired_token_is_unauthorized(self, here: Bench) -> None:
        here.sandbox.faults.on.append(Fault("expired_token"))
        with pytest.raises(Unauthorized):
            self.system.probe(here.site)

    def test_the_vendors_own_rate_limit_answer_is_understood(self, here: Bench) -> None:
        here.sandbox.faults.on.append(Fault("rate_limit", retry_after=7))
        with pytest.raises(RateLimited) as caught:
            self.system.probe(here.site)
        assert caught.value.retry_after is not None

    def test_the_probe_says_who_we_are(self, here: Bench) -> None:
        assert self.system.probe(here.site).id

    def test_no_refusal_puts_ids_or_secrets_into_its_cause(self) -> None:
        for status in (*self.statuses, 404, 410, 413, 415):
            got = self.system.refusal(
                Request("POST", "/rest/issue/10234"), Response(status, {}, b'{"message": "user 557058:abc on WEB-12"}')
            )
            if got is not None:
                assert "WEB-12" not in got.cause
                assert "10234" not in got.cause

    # --- lists --------------------------------------------------------------------------------------
    def rows(self, here: Bench, kind: str) -> list[Listed]:
        return list(self.system.lists[kind](here.site, self.asked[kind]))

    def test_every_list_tells_rows_that_scripts_can_read(self, here: Bench) -> None:
        self.live(here)
        assert self.asked.keys() == self.system.lists.keys() <= KINDS.keys()
        for kind, lister in self.system.lists.items():
            assert {*lister.needs, *lister.takes} <= ASKED.keys()
            rows = self.rows(here, kind)
            assert rows, kind
            for row in rows:
                assert row.id, kind
                assert row.name, kind
                json.dumps(row.facts)

    def test_a_list_is_not_asked_for_without_what_it_needs(self, here: Bench) -> None:
        for kind, lister in self.system.lists.items():
            if lister.needs:
                with pytest.raises(Rejected, match=lister.needs[0]):
                    list(lister(here.site, {}))
            assert not here.transport.sent, kind

    def test_a_list_with_a_bad_credential_is_unauthorized(self, here: Bench) -> None:
        here.sandbox.faults.on.append(Fault("expired_token", times=100))
        for kind in self.system.lists:
            here.transport.sent.clear()
            try:
                self.rows(here, kind)
            except Unauthorized:
                continue
            assert not here.transport.sent, f"{kind} was listed with a bad credential"

    def test_lists_change_nothing(self, here: Bench) -> None:
        for kind in self.system.lists:
            self.rows(here, kind)
        assert not here.sandbox.ledger.effects
        assert not any(request.writes for request in here.transport.sent)

    def test_what_a_mapping_names_is_among_the_fields(self, here: Bench) -> None:
        rows = self.rows(here, "fields")
        known = {word.casefold() for row in rows for word in (row.id, row.name, *row.facts.get("aliases", ()))}
        assert {name.casefold() for name in self.wanted} <= known
        assert all(Takes(row.facts["takes"]) for row in rows)

    def test_every_option_that_a_list_offers_can_be_written(self, here: Bench) -> None:
        target = self.system.target
        assert target is not None
        for row in self.rows(here, "fields"):
            for option in row.facts.get("options", ()):
                for word in (row.name, *row.facts.get("aliases", ())):
                    shaped = target.shape(here.site, self.target_settings(), {word: option["name"]}, None)
                    assert row.id in shaped.fields

    # --- reading again --------------------------------------------------------------------------------
    def test_every_state_event_can_be_completed(self, lived: tuple[Bench, list[Hook]]) -> None:
        here, hooks = lived
        gone = {e.entity.ref for e in self.events(here, hooks) if e.kind is Kind.ISSUE_DELETED}
        for event in self.events(here, hooks):
            if not event.kind.is_state or event.entity.ref in gone:
                continue
            full = self.system.complete(here.site, event)
            assert full is not None
            assert full.partial is False
            assert full.entity.id == event.entity.id
            assert full.data.get("title")


UTC_NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
__all__ = ["UTC_NOW", "Bench", "Clock", "SystemContract", "bench"]
