"""Show the pretended GitHub's content in the JSON of its REST API and webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from connector.systems.github.sandbox.state import Comment, Issue, Label, Milestone, Pull, Registered, Repository, User
from connector.systems.github.sandbox.urls import REPOSITORY_URLS, USER_URLS

WEB = "https://github.com"
HIDDEN = "********"
"""What is shown of a webhook's secret."""


def iso(at: datetime | None) -> str | None:
    """Return a time as GitHub writes it: whole seconds, UTC."""
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"


class Shower:
    """Renders items with the API's URL in their links; users and repositories are remembered."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._users: dict[int, dict[str, Any]] = {}
        self._repositories: dict[tuple[int, str], dict[str, Any]] = {}

    def user(self, user: User) -> dict[str, Any]:
        """Return a simple user."""
        known = self._users.get(user.id)
        if known is None:
            url = f"{self.url}/users/{user.login}"
            known = self._users[user.id] = {
                "login": user.login,
                "id": user.id,
                "node_id": f"U_{user.id}",
                "avatar_url": f"{WEB}/avatars/u/{user.id}",
                "gravatar_id": "",
                "url": url,
                "html_url": f"{WEB}/{user.login}",
                **{name: url + tail for name, tail in USER_URLS.items()},
                "type": user.type,
                "site_admin": False,
            }
        return known

    def webhook(self, one: Repository, hook: Registered) -> dict[str, Any]:
        """Show a webhook; nobody ever sees its secret again."""
        url = f"{self.url}/repos/{one.full_name}/hooks/{hook.id}"
        last = next(iter(hook.deliveries), None)
        answered: dict[str, Any] = {"code": None, "status": "unused", "message": None}
        if last is not None:
            answered = {
                "code": last["status_code"],
                "status": "active" if last["status"] == "OK" else "misconfigured",
                "message": last["status"],
            }
        return {
            "type": "Repository",
            "id": hook.id,
            "name": "web",
            "active": hook.active,
            "events": list(hook.events),
            "config": {**hook.config, **({"secret": HIDDEN} if hook.config.get("secret") else {})},
            "updated_at": f"{hook.updated:%Y-%m-%dT%H:%M:%SZ}",
            "created_at": f"{hook.created:%Y-%m-%dT%H:%M:%SZ}",
            "url": url,
            "test_url": f"{url}/test",
            "ping_url": f"{url}/pings",
            "deliveries_url": f"{url}/deliveries",
            "last_response": answered,
        }

    def me(self, user: User) -> dict[str, Any]:
        """Return the account that a token belongs to, as it sees itself."""
        empty = ("bio", "blog", "company", "email", "hireable", "location", "name")
        zero = (
            "followers",
            "following",
            "public_gists",
            "public_repos",
            "collaborators",
            "disk_usage",
            "owned_private_repos",
            "private_gists",
            "total_private_repos",
        )
        return {
            **self.user(user),
            **dict.fromkeys(empty),
            **dict.fromkeys(zero, 0),
            "name": user.login,
            "created_at": "2020-01-01T00:00:00Z",
            "updated_at": "2020-01-01T00:00:00Z",
            "two_factor_authentication": True,
            "user_view_type": "private",
        }

    def repository(self, one: Repository) -> dict[str, Any]:
        """Return a repository."""
        key = (one.id, one.full_name)
        known = self._repositories.get(key)
        if known is None:
            url, html = f"{self.url}/repos/{one.full_name}", f"{WEB}/{one.full_name}"
            zero = ("size", "stargazers_count", "watchers_count", "forks_count", "forks", "watchers")
            known = self._repositories[key] = {
                "id": one.id,
                "node_id": f"R_{one.id}",
                "name": one.name,
                "full_name": one.full_name,
                "private": False,
                "owner": self.user(one.owner),
                "html_url": html,
                "description": None,
                "fork": False,
                "url": url,
                **{name: url + tail for name, tail in REPOSITORY_URLS.items()},
                "created_at": iso(one.created),
                "updated_at": iso(one.created),
                "pushed_at": iso(one.created),
                "git_url": f"git://github.com/{one.full_name}.git",
                "ssh_url": f"git@github.com:{one.full_name}.git",
                "clone_url": f"{html}.git",
                "svn_url": html,
                "homepage": None,
                "language": None,
                "mirror_url": None,
                "license": None,
                "archived": False,
                "disabled": False,
                "has_issues": True,
                "has_projects": True,
                "has_downloads": True,
                "has_wiki": True,
                "has_pages": False,
                "has_discussions": False,
                "default_branch": "main",
                "custom_properties": {},
                "topics": [],
                "visibility": "public",
                "is_template": False,
                "allow_forking": True,
                "web_commit_signoff_required": False,
                **dict.fromkeys(zero, 0),
            }
        return {**known, "open_issues": one.still_open, "open_issues_count": one.still_open}

    def whole_repository(self, one: Repository, who: User) -> dict[str, Any]:
        """Return a repository with what only its own page shows, and what an account may do in it."""
        push = one.lets_write(who)
        roles = {"admin": False, "maintain": False, "push": push, "triage": push, "pull": True}
        now = {"archived": one.archived, "has_issues": one.has_issues, "permissions": roles}
        return {**self.repository(one), **now, "network_count": 0, "subscribers_count": 0}

    def seen_repository(self, one: Repository, who: User) -> dict[str, Any]:
        """Return a repository with what an account may do there, as its own list shows it."""
        may = dict.fromkeys(("triage", "push"), one.lets_write(who))
        owns = one.owner.login == who.login
        return {**self.repository(one), "permissions": {"admin": owns, "maintain": owns, **may, "pull": True}}

    def label(self, one: Repository, label: Label) -> dict[str, Any]:
        """Return a label."""
        return {
            "id": label.id,
            "node_id": f"LA_{label.id}",
            "url": f"{self.url}/repos/{one.full_name}/labels/{label.name}",
            "name": label.name,
            "color": label.color,
            "default": label.default,
            "description": label.description,
        }

    def milestone(self, one: Repository, milestone: Milestone) -> dict[str, Any]:
        """Return a milestone."""
        url = f"{self.url}/repos/{one.full_name}/milestones/{milestone.number}"
        return {
            "url": url,
            "html_url": f"{WEB}/{one.full_name}/milestone/{milestone.number}",
            "labels_url": f"{url}/labels",
            "id": milestone.id,
            "node_id": f"MI_{milestone.id}",
            "number": milestone.number,
            "title": milestone.title,
            "description": milestone.description,
            "creator": self.user(milestone.creator),
            "open_issues": 0,
            "closed_issues": 0,
            "state": milestone.state,
            "created_at": iso(milestone.created),
            "updated_at": iso(milestone.updated),
            "due_on": milestone.due,
            "closed_at": None,
        }

    def _shared(self, one: Repository, issue: Issue) -> dict[str, Any]:
        """Return what issues and pull requests show alike."""
        people = [self.user(user) for user in issue.assignees.values()]
        return {
            "number": issue.number,
            "title": issue.title,
            "body": issue.body,
            "user": self.user(issue.user),
            "labels": [self.label(one, label) for label in issue.labels.values()],
            "state": issue.state,
            "locked": issue.locked,
            "active_lock_reason": None,
            "assignee": people[0] if people else None,
            "assignees": people,
            "milestone": None if issue.milestone is None else self.milestone(one, issue.milestone),
            "created_at": iso(issue.created),
            "updated_at": iso(issue.updated),
            "closed_at": iso(issue.closed_at),
            "author_association": "MEMBER",
        }

    def issue(self, one: Repository, issue: Issue) -> dict[str, Any]:
        """Return an issue; a pull request in the shape that it has as an issue."""
        url = f"{self.url}/repos/{one.full_name}/issues/{issue.number}"
        page = "issues" if issue.pull is None else "pull"
        shown = {
            "url": url,
            "repository_url": f"{self.url}/repos/{one.full_name}",
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "timeline_url": f"{url}/timeline",
            "html_url": f"{WEB}/{one.full_name}/{page}/{issue.number}",
            "id": issue.id,
            "node_id": f"I_{issue.id}",
            **self._shared(one, issue),
            "comments": len(issue.comments),
            "reactions": self._reactions(url),
            "state_reason": issue.state_reason,
            "type": None,
            "performed_via_github_app": None,
        }
        if issue.pull is not None:
            shown["draft"] = issue.pull.draft
            shown["pull_request"] = {
                "url": f"{self.url}/repos/{one.full_name}/pulls/{issue.number}",
                "html_url": shown["html_url"],
                "diff_url": f"{shown['html_url']}.diff",
                "patch_url": f"{shown['html_url']}.patch",
                "merged_at": iso(issue.pull.merged_at),
            }
        return shown

    def _reactions(self, url: str) -> dict[str, Any]:
        kinds = ("total_count", "+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
        return {"url": f"{url}/reactions", **dict.fromkeys(kinds, 0)}

    def pull(self, one: Repository, issue: Issue, pull: Pull) -> dict[str, Any]:
        """Return a pull request in its own shape, as lists and reviews show it."""
        url = f"{self.url}/repos/{one.full_name}/pulls/{issue.number}"
        as_issue = f"{self.url}/repos/{one.full_name}/issues/{issue.number}"
        statuses = f"{self.url}/repos/{one.full_name}/statuses/{pull.sha}"
        html = f"{WEB}/{one.full_name}/pull/{issue.number}"
        links = {
            "self": url,
            "html": html,
            "issue": as_issue,
            "comments": f"{as_issue}/comments",
            "review_comments": f"{url}/comments",
            "review_comment": f"{self.url}/repos/{one.full_name}/pulls/comments{{/number}}",
            "commits": f"{url}/commits",
            "statuses": statuses,
        }
        return {
            "url": url,
            "id": pull.id,
            "node_id": f"PR_{pull.id}",
            "html_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "issue_url": as_issue,
            "commits_url": links["commits"],
            "review_comments_url": links["review_comments"],
            "review_comment_url": links["review_comment"],
            "comments_url": links["comments"],
            "statuses_url": statuses,
            **self._shared(one, issue),
            "head": self._branch(one, pull.head, pull.sha, issue.user),
            "base": self._branch(one, pull.base, "0" * 40, one.owner),
            "_links": {name: {"href": href} for name, href in links.items()},
            "auto_merge": None,
            "draft": pull.draft,
            "merged_at": iso(pull.merged_at),
            "merge_commit_sha": pull.sha if pull.merged_at else None,
            "requested_reviewers": [],
            "requested_teams": [],
        }

    def whole_pull(self, one: Repository, issue: Issue, pull: Pull) -> dict[str, Any]:
        """Return a pull request with what lists and reviews leave out."""
        merged = pull.merged_at is not None
        return {
            **self.pull(one, issue, pull),
            "comments": len(issue.comments),
            "merged": merged,
            "merged_by": None if pull.merged_by is None else self.user(pull.merged_by),
            "mergeable": None if merged else True,
            "rebaseable": None if merged else True,
            "mergeable_state": "unknown" if merged else "clean",
            "review_comments": 0,
            "maintainer_can_modify": False,
            "commits": 1,
            "additions": 1,
            "deletions": 0,
            "changed_files": 1,
        }

    def _branch(self, one: Repository, ref: str, sha: str, user: User) -> dict[str, Any]:
        return {
            "label": f"{one.owner.login}:{ref}",
            "ref": ref,
            "sha": sha,
            "user": self.user(user),
            "repo": self.repository(one),
        }

    def comment(self, one: Repository, issue: Issue, comment: Comment) -> dict[str, Any]:
        """Return a comment on an issue."""
        page = "issues" if issue.pull is None else "pull"
        return {
            "url": f"{self.url}/repos/{one.full_name}/issues/comments/{comment.id}",
            "html_url": f"{WEB}/{one.full_name}/{page}/{issue.number}#issuecomment-{comment.id}",
            "issue_url": f"{self.url}/repos/{one.full_name}/issues/{issue.number}",
            "id": comment.id,
            "node_id": f"IC_{comment.id}",
            "user": self.user(comment.user),
            "created_at": iso(comment.created),
            "updated_at": iso(comment.updated),
            "author_association": "MEMBER",
            "body": comment.body,
            "reactions": self._reactions(f"{self.url}/repos/{one.full_name}/issues/comments/{comment.id}"),
            "performed_via_github_app": None,
        }

    def review(self, one: Repository, issue: Issue, review: Comment, state: str) -> dict[str, Any]:
        """Return a review of a pull request."""
        html = f"{WEB}/{one.full_name}/pull/{issue.number}#pullrequestreview-{review.id}"
        url = f"{self.url}/repos/{one.full_name}/pulls/{issue.number}"
        return {
            "id": review.id,
            "node_id": f"PRR_{review.id}",
            "user": self.user(review.user),
            "body": review.body or None,
            "commit_id": issue.pull.sha if issue.pull else "",
            "submitted_at": iso(review.created),
            "state": state,
            "html_url": html,
            "pull_request_url": url,
            "author_association": "MEMBER",
            "_links": {"html": {"href": html}, "pull_request": {"href": url}},
        }
