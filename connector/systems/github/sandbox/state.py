"""Hold what a pretended GitHub knows: accounts, repositories, issues, pull requests, comments."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

DEFAULT_LABELS = {
    "bug": "d73a4a",
    "documentation": "0075ca",
    "enhancement": "a2eeef",
    "question": "d876e3",
}


@dataclass(slots=True)
class User:
    """An account."""

    id: int
    login: str
    type: str = "User"


@dataclass(slots=True)
class Label:
    """A label of a repository."""

    id: int
    name: str
    color: str = "ededed"
    description: str | None = None
    default: bool = False


@dataclass(slots=True)
class Milestone:
    """A milestone of a repository; ``number`` counts within it."""

    id: int
    number: int
    title: str
    creator: User
    created: datetime
    updated: datetime
    state: str = "open"
    description: str | None = None
    due: str | None = None


@dataclass(slots=True)
class Pull:
    """What a pull request has beyond being an issue."""

    id: int
    head: str
    base: str
    sha: str
    draft: bool = False
    merged_at: datetime | None = None
    merged_by: User | None = None


@dataclass(slots=True)
class Issue:
    """An issue; a pull request is one with ``pull``."""

    id: int
    number: int
    title: str
    body: str | None
    user: User
    created: datetime
    updated: datetime
    labels: dict[str, Label] = field(default_factory=dict)
    assignees: dict[str, User] = field(default_factory=dict)
    milestone: Milestone | None = None
    state: str = "open"
    state_reason: str | None = None
    closed_at: datetime | None = None
    closed_by: User | None = None
    locked: bool = False
    comments: list[int] = field(default_factory=list)
    pull: Pull | None = None


@dataclass(slots=True)
class Comment:
    """A comment on an issue."""

    id: int
    number: int
    body: str
    user: User
    created: datetime
    updated: datetime


@dataclass(slots=True)
class Registered:
    """One webhook: its ``config`` as it was given, and what became of its last deliveries."""

    id: int
    config: dict[str, str]
    events: list[str]
    active: bool
    created: datetime
    updated: datetime
    deliveries: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=100))

    def wants(self, event: str) -> bool:
        """Tell whether it is to be told of an event; a ping goes to every one."""
        return event == "ping" or (self.active and bool({event, "*"} & set(self.events)))


@dataclass(slots=True)
class Repository:
    """A repository.

    ``gone`` are numbers of deleted issues (410); ``moved`` numbers of transferred ones, with the id
    of the repository and the number they have now (301).  ``writers`` may push (None: everybody), ``admins`` may
    administer it (None: everybody), ``hidden_from`` may not even see it (404), ``assignable`` may be given issues
    (None: everybody).  ``archived`` takes no write, ``has_issues`` False none that is about issues.
    """

    id: int
    owner: User
    name: str
    created: datetime
    number: int = 0
    still_open: int = 0
    issues: dict[int, Issue] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    milestones: dict[int, Milestone] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    moved: dict[int, tuple[int, int]] = field(default_factory=dict)
    writers: set[str] | None = None
    admins: set[str] | None = None
    hidden_from: set[str] = field(default_factory=set)
    webhooks: dict[int, Registered] = field(default_factory=dict)
    assignable: set[str] | None = None
    archived: bool = False
    has_issues: bool = True

    @property
    def full_name(self) -> str:
        """Return ``owner/name``."""
        return f"{self.owner.login}/{self.name}"

    def next_number(self) -> int:
        """Count the numbers that issues and pull requests share; a deleted one is never used again."""
        self.number += 1
        return self.number

    def lets_write(self, user: User) -> bool:
        """Tell whether an account may set labels, milestones and assignees."""
        return self.writers is None or user.login in self.writers

    def lets_assign(self, user: User | None) -> bool:
        """Tell whether issues may be assigned to an account."""
        return user is not None and (self.assignable is None or user.login in self.assignable)

    def comments_of(self, issue: Issue) -> Iterator[Comment]:
        """Return the comments on an issue, oldest first."""
        return (self.comments[one] for one in issue.comments)


class World:
    """Everything there is; ids come from one counter, so that a run can be repeated exactly."""

    def __init__(self) -> None:
        self._id = 1000
        self.users: dict[str, User] = {}
        self.repositories: dict[int, Repository] = {}
        self.names: dict[str, int] = {}
        """``owner/name``, folded, to id; former names stay and redirect."""

    def next_id(self) -> int:
        """Return a number that was never used."""
        self._id += 1
        return self._id

    def user(self, login: str) -> User:
        """Return an account, making it on first use."""
        known = self.users.get(login.casefold())
        if known is None:
            kind = "Bot" if login.endswith("[bot]") else "User"
            known = self.users[login.casefold()] = User(self.next_id(), login, kind)
        return known

    def add_repository(self, full_name: str, now: datetime) -> Repository:
        """Create a repository with GitHub's usual labels."""
        owner, _, name = full_name.partition("/")
        one = Repository(self.next_id(), self.user(owner), name, now)
        self.repositories[one.id] = one
        self.names[full_name.casefold()] = one.id
        for label, color in DEFAULT_LABELS.items():
            one.labels[label] = Label(self.next_id(), label, color, default=True)
        return one

    def repository(self, full_name: str) -> Repository:
        """Return a repository by its present or a former name; KeyError where there is none."""
        return self.repositories[self.names[full_name.casefold()]]
