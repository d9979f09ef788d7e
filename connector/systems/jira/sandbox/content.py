"""Hold what a sandboxed Jira holds: people, projects, workflow, fields, issues; plain records, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class User:
    """An account.  ``id`` is the accountId on Cloud and the user key on Data Center."""

    id: str
    login: str
    shown: str
    email: str


def user(login: str, *, cloud: bool) -> User:
    """Make an account whose ids follow from its login, in the form that the flavour gives them."""
    digest = sha256(login.encode()).hexdigest()
    number = f"712020:{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
    shown = " ".join(part.capitalize() for part in login.replace(".", "-").split("-"))
    return User(number if cloud else login, login, shown, f"{login}@example.com")


@dataclass(frozen=True, slots=True)
class Status:
    """A status of the workflow; ``category`` is Jira's key."""

    id: str
    name: str
    category: str


@dataclass(frozen=True, slots=True)
class Transition:
    """A step of the workflow; ``sources`` empty means from anywhere.  ``required`` are screen fields."""

    id: str
    name: str
    sources: frozenset[str]
    to: str
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldKind:
    """A field of the site.  ``options`` are (id, value, children) for choices; ``retired`` ids of disabled ones."""

    id: str
    name: str
    kind: str
    schema: Mapping[str, Any]
    options: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = ()
    retired: frozenset[str] = frozenset()


@dataclass(slots=True)
class Rich:
    """A rich text as it is stored (ADF on Cloud, wiki on Data Center), with its wiki form once asked for."""

    stored: Any
    wiki: str | None = None


@dataclass(slots=True)
class Comment:
    """A comment of an issue."""

    id: str
    author: str
    body: Rich
    created: datetime
    updated: datetime
    updater: str
    visibility: Mapping[str, Any] | None = None
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Issue:
    """An issue; ``values`` maps a field id to its stored value, ``times`` lists every time of change."""

    id: str
    key: str
    project: str
    values: dict[str, Any]
    creator: str
    created: datetime
    updated: datetime
    times: list[datetime] = field(default_factory=list)
    comments: dict[str, Comment] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    links: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Project:
    """A project, its key counter, and what its administrator made of it.

    ``required`` fields; ``off_create`` and ``off_edit``: fields taken off a screen; ``denied``: permissions that
    an account (by id) lacks; ``unassignable`` accounts; ``closed_to`` may only look, ``hidden_from`` not even that.
    """

    id: str
    key: str
    name: str
    issued: int = 0
    required: set[str] = field(default_factory=set)
    off_create: set[str] = field(default_factory=set)
    off_edit: set[str] = field(default_factory=set)
    denied: dict[str, set[str]] = field(default_factory=dict)
    unassignable: set[str] = field(default_factory=set)
    hidden_from: set[str] = field(default_factory=set)
    closed_to: set[str] = field(default_factory=set)

    def lets(self, who: str, permission: str) -> bool:
        """Tell whether an account has a permission."""
        if who in self.hidden_from or permission in self.denied.get(who, ()):
            return False
        return permission == "BROWSE_PROJECTS" or who not in self.closed_to


STATUSES: Final = (
    Status("10000", "To Do", "new"),
    Status("3", "In Progress", "indeterminate"),
    Status("10001", "In Review", "indeterminate"),
    Status("10002", "Done", "done"),
    Status("6", "Closed", "done"),
)
TRANSITIONS: Final = (
    Transition("11", "Start", frozenset({"10000", "10001"}), "3"),
    Transition("21", "Ask for review", frozenset({"3"}), "10001"),
    Transition("31", "Done", frozenset({"10000", "3", "10001"}), "10002", ("resolution",)),
    Transition("41", "Reopen", frozenset({"10002", "6"}), "10000"),
    Transition("51", "Close", frozenset({"10002"}), "6"),
)
TYPES: Final = (
    ("10100", "Task", False),
    ("10101", "Bug", False),
    ("10102", "Story", False),
    ("10103", "Sub-task", True),
)

_CUSTOM: Final = "com.atlassian.jira.plugin.system.customfieldtypes:"


def _system(number: str, name: str, kind: str, type_: str, *options: tuple[str, str], items: str = "") -> FieldKind:
    schema = {"type": type_, "system": number, **({"items": items} if items else {})}
    return FieldKind(number, name, kind, schema, tuple((i, v, ()) for i, v in options))


def _custom(
    number: int,
    name: str,
    kind: str,
    type_: str,
    custom: str,
    *options: tuple[str, str, tuple[tuple[str, str], ...]],
    items: str = "",
) -> FieldKind:
    prefix = "" if ":" in custom else _CUSTOM
    schema = {"type": type_, "custom": prefix + custom, "customId": number, **({"items": items} if items else {})}
    return FieldKind(f"customfield_{number}", name, kind, schema, options)


FIELDS: Final = {
    one.id: one
    for one in (
        _system("summary", "Summary", "string", "string"),
        _system("description", "Description", "text", "string"),
        _system("environment", "Environment", "text", "string"),
        _system(
            "priority",
            "Priority",
            "named",
            "priority",
            ("1", "Highest"),
            ("2", "High"),
            ("3", "Medium"),
            ("4", "Low"),
            ("5", "Lowest"),
        ),
        _system("labels", "Labels", "labels", "array", items="string"),
        _system("assignee", "Assignee", "user", "user"),
        _system("reporter", "Reporter", "user", "user"),
        _system("duedate", "Due date", "date", "date"),
        _system(
            "components",
            "Components",
            "nameds",
            "array",
            ("10200", "Frontend"),
            ("10201", "Backend"),
            items="component",
        ),
        _system("fixVersions", "Fix versions", "nameds", "array", ("10300", "1.0"), ("10301", "2.0"), items="version"),
        _system("parent", "Parent", "parent", "issuelink"),
        _system("timetracking", "Time tracking", "timetracking", "timetracking"),
        _system(
            "resolution",
            "Resolution",
            "named",
            "resolution",
            ("10400", "Done"),
            ("10401", "Fixed"),
            ("10402", "Won't Do"),
            ("10403", "Duplicate"),
        ),
        _custom(10001, "Story Points", "number", "number", "float"),
        _custom(10002, "Severity", "option", "option", "select", ("10500", "Minor", ()), ("10501", "Major", ())),
        _custom(10003, "Team Milestone", "string", "string", "textfield"),
        _custom(
            10004,
            "Platforms",
            "options",
            "array",
            "multicheckboxes",
            ("10510", "Linux", ()),
            ("10511", "macOS", ()),
            ("10512", "Windows", ()),
            items="option",
        ),
        _custom(
            10005,
            "Region",
            "cascade",
            "option-with-child",
            "cascadingselect",
            ("10520", "Europe", (("10521", "Berlin"), ("10522", "Paris"))),
            ("10523", "Asia", (("10524", "Tokyo"),)),
        ),
        _custom(10006, "Go live", "datetime", "datetime", "datetime"),
        _custom(10007, "Start date", "date", "date", "datepicker"),
        _custom(10008, "Reviewers", "users", "array", "multiuserpicker", items="user"),
        _custom(10009, "Approver", "user", "user", "userpicker"),
        _custom(10010, "Root cause", "text", "string", "textarea"),
        _custom(10011, "Docs", "string", "string", "url"),
        _custom(10012, "Twin", "string", "string", "textfield"),
        _custom(10013, "Twin", "string", "string", "textfield"),
        _custom(10020, "Sprint", "sprint", "array", "com.pyxis.greenhopper.jira:gh-sprint", items="json"),
    )
}
"""Every field that a screen offers (resolution only on a transition's)."""
