"""A configuration is loaded whole, or refused with all of its problems, each with file, line and path."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.config import Audience, Comments, Mode
from connector.errors import ConfigError
from connector.event import Kind
from connector.mapping import Rule, Step
from connector.ports import SecretRef
from tests.configuring import CONNECTIONS, CONNECTOR, Account, Files, Place, loaded, problems, refused


# --- what is said is what is loaded -------------------------------------------------------------------
def test_a_small_configuration_is_loaded() -> None:
    config = Files().load()
    assert config.instance == "prod"
    assert config.connections["here"].settings == Account(SecretRef("env", "HERE"))
    assert config.connections["there"].settings.url == "https://there.example"
    bugs = config.connectors["bugs"]
    assert (bugs.source.connection, bugs.source.settings) == ("here", Place(("WEB",)))
    assert (bugs.target.connection, bugs.target.settings) == ("there", Place(("API",)))
    assert (bugs.uid, bugs.file) == ("bugs", "connectors/web/bugs.yaml")


def test_defaults_are_those_of_the_types() -> None:
    bugs = loaded()
    assert (bugs.mode, bugs.creates, bugs.relates, bugs.comments) == (Mode.LIVE, True, True, Comments())
    assert (bugs.poll_every, bugs.concurrency, bugs.attempts, bugs.on_dead) == (timedelta(minutes=5), 4, 8, "continue")


def test_every_key_of_a_connector_is_understood() -> None:
    bugs = loaded(
        """\
description: for people
renamed_from: [first, second]
owner: {team: web, alert: "mailto:web@acme.example"}
mode: shadow
start: now
when: {events: [issue.*, comment.created], labels: bug, changed: [state, title], condition: "state == 'open'"}
mapping: {Summary: title}
create: false
relate: false
messages: {on: issue.updated, changed: state, when: merged, text: "{{ title }}", digest: 5m}
comments: {direction: to, audience: all, edits: false, deletes: true, text: "{{ comment.body }}"}
references: {fields: [body, title], pattern: "[A-Z]+-[0-9]+", status: {merged: Done}}
expire: {message: 24h}
poll: off
concurrency: 64
attempts: 1
on_dead: block
"""
    )
    assert (bugs.uid, bugs.owner.team, bugs.owner.alert, bugs.mode) == (
        "first",
        "web",
        "mailto:web@acme.example",
        Mode.SHADOW,
    )
    assert bugs.when.events == {Kind.ISSUE_CREATED, Kind.ISSUE_UPDATED, Kind.ISSUE_DELETED, Kind.COMMENT_CREATED}
    assert bugs.when.labels == {"bug"}
    assert bugs.when.changed == {"state", "title"}
    assert (bugs.creates, bugs.relates) == (False, False)
    assert bugs.messages[0].on == {Kind.ISSUE_UPDATED}
    assert bugs.messages[0].digest == timedelta(minutes=5)
    assert bugs.comments == Comments(
        copied=True, audience=Audience.ALL, edits=False, deletes=True, text="{{ comment.body }}"
    )
    assert bugs.references is not None
    assert (bugs.references.fields, bugs.references.status) == (("title", "body"), {"merged": "Done"})
    assert (bugs.expire, bugs.poll_every) == ({"message": timedelta(hours=24)}, timedelta(0))
    assert (bugs.concurrency, bugs.attempts, bugs.on_dead) == (64, 1, "block")


@pytest.mark.parametrize(("said", "copied"), [("true", True), ("false", False), ("{}", True)])
def test_comments_are_switched_or_described(said: str, *, copied: bool) -> None:
    assert loaded(f"comments: {said}\n").comments.copied is copied


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("title", Rule("F", path="title")),
        ("{value: 3}", Rule("F", value=3)),
        ("{value: null}", Rule("F", value=None)),
        ("{template: '{{ title }}'}", Rule("F", template="{{ title }}")),
        ("{from: due, default: null}", Rule("F", path="due", default=None)),
        (
            "{from: state, map: {open: To Do, closed: null}}",
            Rule("F", path="state", table={"open": "To Do", "closed": None}),
        ),
        ("{from: merged, map: {true: 1, false: 0}}", Rule("F", path="merged", table={"true": 1, "false": 0})),
        (
            "{from: labels, first: {p0: Highest}, default: Low}",
            Rule("F", path="labels", first={"p0": "Highest"}, default="Low"),
        ),
        ("{from: assignee, people: {octocat: '5b'}}", Rule("F", path="assignee", people={"octocat": "5b"})),
        ("{from: title, transform: lower}", Rule("F", path="title", steps=(Step("lower"),))),
        (
            "{from: title, transform: [lower, {truncate: {length: 9}}, {prefix: '> '}]}",
            Rule("F", path="title", steps=(Step("lower"), Step("truncate", {"length": 9}), Step("prefix", {"": "> "}))),
        ),
        ("{from: title, when: state == 'open'}", Rule("F", path="title", when="state == 'open'")),
    ],
)
def test_a_field_is_said_shortly_or_in_full(said: str, rule: Rule) -> None:
    assert loaded(f"mapping:\n  F: {said}\n").mapping == (rule,)


def test_one_file_may_hold_everything() -> None:
    text = CONNECTIONS + "connectors:\n  - " + CONNECTOR.removeprefix("version: 1\n").replace("\n", "\n    ")
    assert list(Files(connections=text, connector="# nothing here\n").load().connectors) == ["bugs"]


def test_a_connections_http_part_is_loaded() -> None:
    http = "http: {proxy: 'http://proxy:3128', connect: 2s, total: 60s, private_addresses: [10.0.0.0/8, 127.0.0.1]}"
    files = Files(connections=CONNECTIONS.replace("token: env:HERE", f"token: env:HERE, {http}"))
    found = files.load().connections["here"].http
    assert (found.proxy, found.connect, found.read) == (
        "http://proxy:3128",
        timedelta(seconds=2),
        timedelta(seconds=20),
    )
    assert found.private_addresses == ("10.0.0.0/8", "127.0.0.1")


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Files().load().instance = "other"  # type: ignore[misc]


# --- what is refused ------------------------------------------------------------------------------------
def test_all_problems_come_at_once_each_with_file_line_and_path() -> None:
    found = problems(
        Files(
            connections=CONNECTIONS + "  broken: {system: trakcer}\n  worse: {system: tracker, tokn: x}\n",
            connector="""\
version: 1
name: Bugs!
ownr: {team: web}
from: {connection: her, spaces: WEB}
to: {connection: there, spces: API}
when: {condition: "a[", changed: stat}
mapping:
  Status: {from: state, map: {}, transform: [lowr]}
  Text: {template: "{{ titel }}"}
concurrency: 1000000000
create: no
""",
        )
    )
    told = "\n".join(found)
    for expected in [
        "connections/prod.yaml:6: connections.broken.system: there is no system 'trakcer'; did you mean 'tracker'?",
        "connections/prod.yaml:7: connections.worse.token: is required",
        "connections/prod.yaml:7: connections.worse.tokn: unknown key; did you mean 'token'?",
        "connectors/web/bugs.yaml:2: name: must start with a letter",
        "connectors/web/bugs.yaml:3: ownr: unknown key; did you mean 'owner'?",
        "connectors/web/bugs.yaml:4: from.connection: there is no connection 'her'; did you mean 'here'?",
        "connectors/web/bugs.yaml:5: to.spaces: is required",
        "connectors/web/bugs.yaml:5: to.spces: unknown key; did you mean 'spaces'?",
        "connectors/web/bugs.yaml:6: when.changed: there is no 'stat' here; did you mean 'state'?",
        "connectors/web/bugs.yaml:6: when.condition: is not a JMESPath expression",
        "connectors/web/bugs.yaml:8: mapping.Status.map: must be a mapping",
        "connectors/web/bugs.yaml:8: mapping.Status.transform[0]: there is no transform 'lowr'",
        "connectors/web/bugs.yaml:9: mapping.Text.template: line 1 of the template: there is no 'titel'",
        "connectors/web/bugs.yaml:10: concurrency: must be a whole number between 1 and 64",
        "connectors/web/bugs.yaml:11: create: must be true or false",
    ]:
        assert expected in told
    assert len(found) == 15


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("mode: on", "mode: must be one of: paused, shadow, live"),
        ("start: yesterday", "only `now` is known"),
        ("poll: 0s", "must lie between 10s and 1d"),
        ("poll: 5", "must be a time span"),
        ("attempts: 1000000000", "between 1 and 50"),
        ("attempts: true", "between 1 and 50"),
        ("attempts: '3'", "between 1 and 50"),
        ("on_dead: blok", "did you mean 'block'"),
        ("comments: {direction: both}", "both is for two-way connectors"),
        ("comments: {audience: internal}", "must be one of: public, all"),
        ("expire: {mesage: 24h}", "expire.mesage: must be one of: message, comment"),
        ("expire: {message: 9999999999d}", "must be a time span"),
        ("expire: {message: 4000d}", "must lie between 1s and 366d"),
        ("references: {pattern: '('}", "is not a pattern of RE2"),
        ("references: {status: {opened: X}}", "references.status.opened: must be one of"),
        ("messages: {on: issue.created}", "messages.text: is required"),
        ("messages: {on: issue.created, text: x, digest: 2d}", "messages.digest: must lie between 1s and 1d"),
        ("messages: [{on: issue.vanished, text: x}]", "messages[0].on: there is no 'issue.vanished' here"),
        ("messages: [{on: message.created, text: x}]", "Tracker emits none of these; it emits comment.created"),
        ("when: {events: pull_request.*}", "when.events: Tracker emits none of these"),
        ("when: {jql: project = X}", "when.jql: Tracker knows no JQL"),
        ("mapping: {F: titel}", "mapping.F: there is no 'titel'; did you mean 'title'?"),
        ("mapping: {F: 'labels[0] || user.login'}", "there is no 'user'"),
        ("when: {condition: stat == 'open'}", "when.condition: there is no 'stat'"),
        ("mapping: {F: 3}", "must be a path (Summary: title) or a mapping"),
        ("mapping: {F: {from: due, value: 1}}", "give one of from, template and value"),
        ("mapping: {F: {default: 1}}", "give one of from, template and value"),
        ("mapping: {F: {from: due, map: {x: 1}, first: {x: 1}}}", "give only one of map, first and people"),
        ("mapping: {F: {form: a}}", "unknown key; did you mean 'from'?"),
        ("mapping: {F: {from: a, transform: {}}}", "must be a name (lower), or one name with its arguments"),
        (
            "mapping: {F: {from: a, transform: {truncate: {length: x}}}}",
            "mapping.F.transform: truncate: length must be",
        ),
        ("mapping: {__proto__: due}", "mapping.__proto__: a target field is a name"),
        ("mapping: {'': due}", "a target field is a name"),
        ("mapping: [a]", "mapping: must be a mapping"),
        ("name: bugs", "name: stands twice"),
        ("owner: {team: Web Team}", "owner.team: must start with a letter"),
        ("template: github-to-jra", "there is no template 'github-to-jra'; did you mean 'github-to-jira'?"),
        ("renamed_from: [Old Name]", "renamed_from[0]: must start with a letter"),
        ("instance: prod", "holds neither connections: nor connectors:"),
    ],
)
def test_a_wrong_value_is_refused_with_its_reason(said: str, why: str) -> None:
    assert why in refused(said + "\n")


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ("token: hunter2", "must be a reference, env:NAME or file:/path"),
        ("token: env:1X", "must be followed by the name of an environment variable"),
        ("token: env:A, http: {proxy: 'http://user:pw@proxy'}", "http.proxy: must be an http(s) URL without a user"),
        ("token: env:A, http: {private_addresses: internal}", "http.private_addresses: "),
        ("token: env:A, http: {total: 1s}", "http.total: must not be shorter than connect"),
        ("token: env:A, http: {read: 1ms}", "must lie between 100ms and 10m"),
        ("token: env:A, teams: []", "teams: must not be empty"),
        ("token: env:A, url: 3", "url: must be text; put it in quotes"),
    ],
)
def test_a_wrong_connection_is_refused_with_its_reason(own: str, why: str) -> None:
    assert why in "\n".join(problems(Files(connections=CONNECTIONS.replace("token: env:HERE", own))))


CHATS = CONNECTIONS + "  talk: {system: chat, token: env:A}\n"


def test_alerts_may_go_to_several_places() -> None:
    places = "chat:#web chat:talk/#web mailto:web@acme.example https://hooks.example/x"
    assert loaded(f'owner: {{alert: "{places}"}}\n', connections=CHATS).owner.alert == places


@pytest.mark.parametrize(
    ("place", "connections", "why"),
    [
        ("chat:#web", CONNECTIONS, "of chat there are: none"),
        ("chat:#web", CHATS + "  more: {system: chat, token: env:A}\n", "of chat there are: more, talk"),
        ("chat:here/#web", CHATS, "say by which connection"),
        ("chta:#web", CHATS, "'chta' is no system that can be told things; chat can"),
        ("tracker:#web", CHATS, "'tracker' is no system that can be told things"),
        ("http://hooks.example/x", CHATS, "must be"),
        ("#web", CHATS, "must be"),
        ("mailto:web", CHATS, "must be"),
    ],
)
def test_an_alert_that_could_not_be_sent_is_refused(place: str, connections: str, why: str) -> None:
    assert why in refused(f'owner: {{alert: "{place}"}}\n', connections=connections)


def test_a_pasted_credential_is_not_repeated() -> None:
    told = problems(Files(connections=CONNECTIONS.replace("env:HERE", "ghp_verysecret")))
    assert "ghp_verysecret" not in "\n".join(told)


def test_a_connector_of_a_broken_connection_is_not_blamed_for_it() -> None:
    assert len(problems(Files(connections=CONNECTIONS.replace("env:HERE", "x")))) == 1


def test_a_file_that_is_no_yaml_is_the_only_problem() -> None:
    assert len(problems(Files(connections=CONNECTIONS + "  - {"))) == 1


def test_a_system_that_cannot_be_an_end_is_refused_there() -> None:
    connections = CONNECTIONS + "  s: {system: sink, token: env:A}\n  w: {system: well, token: env:A}\n"
    told = "\n".join(
        problems(Files(connections=connections, connector=CONNECTOR.replace("here", "s").replace("there", "w")))
    )
    assert "from.connection: Sink cannot be a source" in told


def test_steps_that_marshmallow_adds_to_a_path_are_left_out() -> None:
    connections = CONNECTIONS + "  s: {system: sink, token: env:A, limits: {calls: many}}\n"
    told = problems(Files(connections=connections))
    assert told == ["connections/prod.yaml:6: connections.s.limits.calls: must be a whole number"]


def test_jql_is_welcome_where_the_source_answers_it() -> None:
    connections = CONNECTIONS.replace("here: {system: tracker", "here: {system: querying")
    assert loaded("when: {jql: project = X}\n", connections=connections).when.jql == "project = X"


# --- the whole ------------------------------------------------------------------------------------------
def test_a_name_used_twice_is_refused_with_both_places() -> None:
    told = problems(Files(more={"connectors/z.yaml": CONNECTOR}))
    assert told == ["connectors/z.yaml:2: name: is used twice; first in connectors/web/bugs.yaml:2"]


def test_a_connection_declared_twice_is_refused_with_both_places() -> None:
    told = "\n".join(problems(Files(more={"connections/z.yaml": CONNECTIONS})))
    assert "connections/z.yaml:4: connections.here: is declared twice; first in connections/prod.yaml:4" in told


def test_two_instances_are_refused() -> None:
    more = {"connections/z.yaml": "version: 1\ninstance: staging\nconnections: {}\n"}
    assert "instance: is 'prod' in connections/prod.yaml:2" in "\n".join(problems(Files(more=more)))


def test_a_new_connector_cannot_take_the_state_of_a_renamed_one() -> None:
    renamed = CONNECTOR.replace("name: bugs", "name: defects\nrenamed_from: bugs")
    told = "\n".join(problems(Files(more={"connectors/z.yaml": renamed})))
    assert "would share the state of" in told


def test_a_rename_keeps_the_first_name_for_ever() -> None:
    assert loaded("renamed_from: [oldest, older]\n").uid == "oldest"
    assert loaded("renamed_from: older\n").uid == "older"


def test_a_connector_is_found_by_every_name_it_had() -> None:
    renamed = CONNECTOR.replace("name: bugs", "name: defects\nrenamed_from: [oldest, bugs]")
    config = Files(connector=renamed).load()
    assert [config.called(name) for name in ("defects", "bugs", "oldest")] == [config.connectors["defects"]] * 3
    assert config.called("nobody") is None


@pytest.mark.parametrize(
    ("owner", "why"),
    [
        ("", "connection here is for web; say owner: {team: ...}"),
        ("owner: {team: payments}\n", "connection here is for web; team 'payments' may not use it"),
        ("owner: {team: web}\n", ""),
    ],
)
def test_a_connection_is_kept_for_its_teams(owner: str, why: str) -> None:
    connections = CONNECTIONS.replace("token: env:HERE", "token: env:HERE, teams: [web]")
    files = Files(connections=connections, connector=CONNECTOR + owner)
    if why:
        assert why in "\n".join(problems(files))
    else:
        assert files.load().connectors["bugs"].owner.team == "web"


def kept(teams: str, connector: str = CONNECTOR + "owner: {team: web}\n") -> Files:
    return Files(
        connections=CONNECTIONS.replace("token: env:HERE", f"token: env:HERE, teams: {teams}"), connector=connector
    )


@pytest.mark.parametrize(
    "teams",
    ["{web: {}}", "{web: {spaces: WEB}}", "{web: {spaces: [api, w*]}}", "{web: {spaces: WEB}, api: {spaces: X}}"],
)
def test_a_team_may_use_what_it_is_kept_to(teams: str) -> None:
    assert kept(teams).load().connections["here"].lets("web", "WEB")


@pytest.mark.parametrize(
    ("teams", "why"),
    [
        (
            "{web: {spaces: [API, PAY-*]}}",
            "from: team 'web' may use connection here, but of spaces not WEB; it may: API, PAY-*",
        ),
        ("{web: {space: WEB}}", "teams.web.space: unknown key; did you mean 'spaces'?"),
        ("{web: {spaces: []}}", "teams.web.spaces: must not be empty"),
        ("{web: WEB}", "teams.web: must be a mapping ({projects: [PAY]})"),
        ("{api: {}}", "connection here is for api; team 'web' may not use it"),
        ("{Web: {}}", "must start with a letter"),
        ("{}", "teams: must not be empty"),
    ],
)
def test_a_team_is_refused_what_it_may_not_use(teams: str, why: str) -> None:
    assert why in "\n".join(problems(kept(teams)))


def test_a_target_is_held_against_teams_too() -> None:
    files = Files(
        connections=CONNECTIONS.replace("token: file:", "teams: {web: {spaces: [OTHER]}}, token: file:"),
        connector=CONNECTOR + "owner: {team: web}\n",
    )
    assert "to: team 'web' may use connection there, but of spaces not API" in "\n".join(problems(files))


def test_a_system_without_places_keeps_no_team_to_any() -> None:
    connections = CONNECTIONS.replace(
        "system: tracker, token: env:HERE", "system: chat, token: env:HERE, teams: {web: {spaces: WEB}}"
    )
    told = "\n".join(problems(Files(connections=connections, connector=CONNECTOR + "owner: {team: web}\n")))
    assert "teams.web.spaces: within Chat no team can be kept to a part" in told


@pytest.mark.parametrize("said", ["", "version: 2\n", "version: '1'\n", "version: true\n"])
def test_a_file_says_version_one(said: str) -> None:
    told = problems(Files(connector=CONNECTOR.replace("version: 1\n", said)))
    assert any("version: " in one for one in told)


def test_an_empty_folder_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no configuration"):
        Files.load(_Bare())


class _Bare(Files):
    @property
    def texts(self) -> dict[str, str | bytes]:
        return {}


# --- variables ------------------------------------------------------------------------------------------
def test_an_allowed_variable_is_filled_in() -> None:
    files = Files(
        connections=CONNECTIONS.replace("https://there.example", '"https://${CONNECTOR_HOST}/x"'),
        variables={"CONNECTOR_HOST": "acme.example"},
    )
    assert files.load().connections["there"].settings.url == "https://acme.example/x"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${AWS_SECRET_ACCESS_KEY}", "${AWS_SECRET_ACCESS_KEY} is not allowed; allowed are CONNECTOR_*"),
        ("${CONNECTOR_UNSET}", "${CONNECTOR_UNSET} is not set"),
        ("${CONNECTOR_HOST", "must be followed by a name and }"),
        ("${CONNECTOR_HOST:-x}", "must be followed by a name and }"),
        ("${}", "must be followed by a name and }"),
    ],
)
def test_other_variables_are_refused_and_never_shown(text: str, why: str) -> None:
    variables = {"AWS_SECRET_ACCESS_KEY": "verysecret", "CONNECTOR_HOST": "x"}
    told = problems(Files(connections=CONNECTIONS.replace("https://there.example", f'"{text}"'), variables=variables))
    assert why in "\n".join(told)
    assert "verysecret" not in "\n".join(told)


def test_a_doubled_dollar_is_no_variable() -> None:
    assert loaded('mapping: {F: {value: "$${X}"}}\n').mapping[0].value == "${X}"


def test_a_variable_cannot_write_yaml() -> None:
    files = Files(
        connections=CONNECTIONS.replace("https://there.example", "'${CONNECTOR_HOST}'"),
        variables={"CONNECTOR_HOST": "x, teams: [evil]}\n  more: {"},
    )
    assert files.load().connections["there"].teams == {}


# --- people ---------------------------------------------------------------------------------------------
PEOPLE = "mapping:\n  Assignee: {from: assignee, people: staff.csv}\n"


@pytest.mark.parametrize("name", ["staff.csv", "connectors/web/staff.csv"])
def test_a_table_of_people_is_found_at_the_top_or_beside_its_connector(name: str) -> None:
    more = {name: b'\xef\xbb\xbffrom,to\r\noctocat,5b10\r\n\r\n"Doe, J",77\r\n'}
    assert loaded(PEOPLE, more=more).mapping[0].people == {"octocat": "5b10", "Doe, J": "77"}


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("octocat,5b10\n", "staff.csv:1: must begin with the line from,to"),
        ("from,to\noctocat\n", "staff.csv:2: must have two columns"),
        ("from,to\noctocat,\n", "staff.csv:2: must have two columns"),
        ("from,to\na,1\na,2\n", "staff.csv:3: 'a' stands twice"),
        ("from,to\n", "staff.csv:1: names nobody"),
        ('from,to\n"a,1\n', "staff.csv: is not CSV"),
        (b"from,to\n\xff,1\n", "staff.csv: is not UTF-8"),
    ],
)
def test_a_broken_table_of_people_is_refused_with_its_line(table: str | bytes, why: str) -> None:
    assert why in refused(PEOPLE, more={"staff.csv": table})


@pytest.mark.parametrize("name", ["stff.csv", "../../../etc/passwd", "connections/prod.yaml"])
def test_a_table_of_people_is_one_of_the_files_handed_in(name: str) -> None:
    told = refused(PEOPLE.replace("staff.csv", name), more={"staff.csv": "from,to\na,b\n"})
    assert f"there is no file '{name}'" in told


# --- the hash -------------------------------------------------------------------------------------------
def test_the_hash_ignores_comments_order_and_file_names() -> None:
    moved = Files(connector="# a remark\n", more={"connectors/other.yaml": "# x\n" + CONNECTOR})
    assert moved.load().hash == Files().load().hash
    assert len(Files().load().hash) == 12


@pytest.mark.parametrize(
    "files",
    [
        Files(connector=CONNECTOR + "mode: paused\n"),
        Files(connections=CONNECTIONS.replace("prod", "staging")),
        Files(connections=CONNECTIONS.replace("env:HERE", "env:THERE")),
    ],
)
def test_the_hash_tells_meanings_apart(files: Files) -> None:
    assert files.load().hash != Files().load().hash


def test_a_changed_table_of_people_changes_the_hash() -> None:
    hashes = {
        Files(connector=CONNECTOR + PEOPLE, more={"staff.csv": f"from,to\noctocat,{number}\n"}).load().hash
        for number in range(3)
    }
    assert len(hashes) == 3


def test_an_empty_file_is_a_warning() -> None:
    assert Files(more={"connectors/later.yaml": "# not yet\n"}).load().warnings == (
        "connectors/later.yaml:1: holds nothing",
    )


# --- nothing crashes ----------------------------------------------------------------------------------------
KEYS = st.sampled_from(
    [
        "name",
        "from",
        "to",
        "mapping",
        "when",
        "messages",
        "comments",
        "references",
        "expire",
        "poll",
        "owner",
        "template",
        "F",
    ]
)
VALUES: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["here", "a[", "{{ x }}", "issue.*", "5m", "bugs"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            KEYS | st.sampled_from(["connection", "people", "transform", "on", "text", "events"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@given(st.dictionaries(KEYS, VALUES, max_size=8))
@settings(max_examples=200)
def test_whatever_is_written_is_loaded_or_refused(said: dict[str, Any]) -> None:
    import json

    text = json.dumps({"version": 1, "name": "bugs", **said})
    files = Files(connector=text)
    try:
        files.load()
    except ConfigError as error:
        assert all(problem.message and problem.file for problem in error.problems)  # noqa: PT017  either answer is right


def test_quiet_hours_and_maintenance_are_read() -> None:
    connections = CONNECTIONS.replace(
        "token: env:HERE",
        "token: env:HERE, maintenance: [{from: 2027-01-16 22:00, to: 2027-01-17 04:00, zone: Europe/Berlin}, "
        "{from: 01:00, to: 02:00, days: sun}]",
    )
    quiet = "quiet: {from: 22:00, to: 06:00, zone: Europe/Berlin, days: [mon-fri]}\n"
    config = Files(connections=connections, connector=CONNECTOR + quiet).load()
    (night,) = config.connectors["bugs"].quiet
    once, weekly = config.connections["here"].maintenance
    friday = datetime(2027, 1, 15, 21, 30, tzinfo=UTC)
    assert night.until(friday) == datetime(2027, 1, 16, 5, 0, tzinfo=UTC)
    assert once.until(friday) is None
    assert once.until(datetime(2027, 1, 17, 1, 0, tzinfo=UTC)) == datetime(2027, 1, 17, 3, 0, tzinfo=UTC)
    assert weekly.until(datetime(2027, 1, 17, 1, 30, tzinfo=UTC)) == datetime(2027, 1, 17, 2, 0, tzinfo=UTC)


def test_a_poll_may_be_a_cron() -> None:
    got = loaded('poll: {cron: "*/10 8-18 * * mon-fri", zone: Europe/Berlin}\n')
    assert got.poll_at is not None
    assert got.poll_at.following(datetime(2027, 1, 15, 20, tzinfo=UTC)) == datetime(2027, 1, 18, 7, tzinfo=UTC)
    assert loaded("poll: 1m\n").poll_at is None


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("quiet: {from: 22:00}", "quiet.to: is required"),
        ("quiet: {from: 22, to: 6}", "quiet.from: must be text"),
        ("quiet: {from: '22', to: 06:00}", "quiet.from: must be a time of day like 22:00"),
        ("quiet: {from: 22:00, to: 22:00}", "quiet.to: must differ from `from`"),
        ("quiet: {from: 24:00, to: 06:00}", "quiet.from: must be before 24:00"),
        ("quiet: {from: 22:00, to: 06:00, zone: Berlin}", "quiet.zone: there is no time zone 'Berlin'"),
        ("quiet: {from: 22:00, to: 06:00, days: [weekdays]}", "quiet.days: must be a day (mon) or days (mon-fri)"),
        ("quiet: [{from: 22:00, to: 06:00, day: mon}]", "quiet[0].day: unknown key; did you mean 'days'?"),
        ("quiet: {from: 2027-01-16 22:00, to: 06:00}", "quiet.from: must be a time of day like 22:00"),
        ("poll: {cron: '* * *'}", "poll.cron: must have five fields"),
        ("poll: {cron: '99 * * * *'}", "poll.cron: is no cron expression: Bad minute"),
        ("poll: {every: 5m}", "poll.every: unknown key"),
    ],
)
def test_wrong_times_are_refused(lines: str, why: str) -> None:
    assert why in refused(lines + "\n")


@pytest.mark.parametrize(
    ("window", "why"),
    [
        ("{from: 2027-01-16 22:00, to: 04:00}", "maintenance.to: must be written like `from`"),
        ("{from: 2027-01-16 22:00, to: 2027-01-16 20:00}", "maintenance.to: must be after `from`"),
        ("{from: 2027-01-16 22:00, to: 2027-01-16 23:00, days: mon}", "maintenance.days: cannot be given"),
        ("{from: 2027-13-16 22:00, to: 2027-01-16 23:00}", "maintenance.from: "),
    ],
)
def test_wrong_maintenance_is_refused(window: str, why: str) -> None:
    connections = CONNECTIONS.replace("token: env:HERE", f"token: env:HERE, maintenance: {window}")
    assert why in "\n".join(problems(Files(connections=connections)))
