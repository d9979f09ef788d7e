"""Answer what a sandboxed Jira is and has: itself, people, projects, fields and screens."""

from __future__ import annotations

import json
from typing import Any, Final

from connector.sandbox import Answer
from connector.systems.jira.sandbox.actions import Refused
from connector.systems.jira.sandbox.asked import At, Handler, errors, found_issue
from connector.systems.jira.sandbox.content import FieldKind
from connector.systems.jira.sandbox.site import Json, Site

_PERMISSIONS: Final = (
    *("BROWSE_PROJECTS", "CREATE_ISSUES", "EDIT_ISSUES", "ASSIGN_ISSUES", "SCHEDULE_ISSUES", "TRANSITION_ISSUES"),
    *("LINK_ISSUES", "MODIFY_REPORTER", "SET_ISSUE_SECURITY", "DELETE_ISSUES"),
    *("ADD_COMMENTS", "EDIT_OWN_COMMENTS", "DELETE_OWN_COMMENTS"),
)


class Catalog:
    """The routes that change nothing."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def routes(self) -> list[tuple[str, str, Handler]]:
        """List (method, pattern of the path, handler)."""
        cloud: list[tuple[str, str, Handler]] = [
            ("GET", r"project/search", self._search_projects),
            ("POST", r"workflows", self._workflows),
        ]
        return [
            *(cloud if self.site.cloud else []),
            ("GET", r"myself", self._myself),
            ("GET", r"serverInfo", self._server),
            ("GET", r"mypermissions", self._permissions),
            ("GET", r"field", self._fields),
            ("GET", r"(?P<what>priority|resolution)", self._choices),
            ("GET", r"status", self._statuses),
            ("GET", r"issuetype", self._types),
            ("GET", r"project", self._projects),
            ("GET", r"project/(?P<project>\w+)", self._project),
            ("GET", r"project/(?P<project>\w+)/statuses", self._project_statuses),
            ("GET", r"user", self._user),
            ("GET", r"user/search", self._users),
            ("GET", r"user/assignable/search", self._assignable),
            ("GET", r"issue/createmeta/(?P<project>\w+)/issuetypes", self._create_types),
            ("GET", r"issue/createmeta/(?P<project>\w+)/issuetypes/(?P<type>\d+)", self._create_fields),
            ("GET", r"issue/(?P<issue>[A-Za-z0-9_-]+)/editmeta", self._edit_fields),
        ]

    def _visible(self, at: At, name: str) -> Any:
        found = next((p for p in self.site.projects.values() if name in {p.key, p.id}), None)
        if found is None or at.who in found.hidden_from:
            raise Refused(404, f"No project could be found with key '{name}'.")
        return found

    # --- the site
    def _myself(self, at: At, _match: Any) -> Answer:
        me = self.site.users[at.who]
        return Answer.of(200, {**self.site.account(me), "emailAddress": me.email, "locale": "en_US"})

    def _server(self, at: At, _match: Any) -> Answer:
        numbers = [1001, 0, 0] if self.site.cloud else [*self.site.release]
        version = ".".join(map(str, numbers)) + ("-SNAPSHOT" if self.site.cloud else "")
        kind = "Cloud" if self.site.cloud else "Server"
        shown = {
            "baseUrl": self.site.url, "version": version, "versionNumbers": numbers, "deploymentType": kind,
            "buildNumber": 100303, "serverTime": self.site.stamp(at.now), "serverTitle": "Jira sandbox",
        }  # fmt: skip
        return Answer.of(200, shown)

    def _permissions(self, at: At, _match: Any) -> Answer:
        """Tell what the account may; Data Center tells of all permissions, whichever are asked for."""
        key = at.call.first("projectKey")
        project = self._visible(at, key) if key else None
        shown = {
            name: {
                "id": str(number), "key": name, "name": name.replace("_", " ").title(), "type": "PROJECT",
                "description": "", "havePermission": project is None or project.lets(at.who, name),
            }
            for number, name in enumerate(_PERMISSIONS, 10)
        }  # fmt: skip
        shown["ADMINISTER"] = {
            "id": "0", "key": "ADMINISTER", "name": "Administer Jira", "type": "GLOBAL", "description": "",
            "havePermission": at.who in self.site.administrators,
        }  # fmt: skip
        asked = at.call.first("permissions") if self.site.cloud else ""
        if asked:
            if unknown := sorted(set(asked.split(",")) - shown.keys()):
                return errors(400, f"Unrecognized permission(s): {', '.join(unknown)}")
            shown = {name: about for name, about in shown.items() if name in asked.split(",")}
        return Answer.of(200, {"permissions": shown})

    def _fields(self, _at: At, _match: Any) -> Answer:
        fixed = [("status", "Status"), ("project", "Project"), ("issuetype", "Issue Type"), ("created", "Created"),
                 ("updated", "Updated"), ("creator", "Creator"), ("comment", "Comment")]  # fmt: skip
        rows: list[Json] = [
            {"id": one.id, "key": one.id, "name": one.name, "custom": "custom" in one.schema, "orderable": True,
             "navigable": True, "searchable": True, "clauseNames": [one.id], "schema": dict(one.schema)}
            for one in self.site.fields.values()
        ]  # fmt: skip
        kinds = {"created": "datetime", "updated": "datetime", "creator": "user", "comment": "comments-page"}
        rows += [
            {"id": name, "key": name, "name": shown, "custom": False, "orderable": False, "navigable": True,
             "searchable": True, "clauseNames": [name], "schema": {"type": kinds.get(name, name), "system": name}}
            for name, shown in fixed
        ]  # fmt: skip
        return Answer.of(200, rows)

    def _choices(self, at: At, match: Any) -> Answer:
        field = self.site.fields[match["what"]]
        return Answer.of(200, [self.site.choice(field, number, at.api) for number, _, _ in field.options])

    def _statuses(self, at: At, _match: Any) -> Answer:
        return Answer.of(200, [self.site.status(one, at.api) for one in self.site.statuses.values()])

    def _types(self, at: At, _match: Any) -> Answer:
        return Answer.of(200, [self.site.type(number, at.api) for number in self.site.types])

    def _projects(self, at: At, _match: Any) -> Answer:
        seen = [one.key for one in self.site.projects.values() if at.who not in one.hidden_from]
        return Answer.of(200, [self.site.project(key, at.api) for key in seen])

    def _search_projects(self, at: At, _match: Any) -> Answer:
        word = at.call.first("query").casefold()
        rows = [
            self.site.project(one.key, at.api)
            for one in sorted(self.site.projects.values(), key=lambda one: one.key)
            if at.who not in one.hidden_from and (word in one.key.casefold() or word in one.name.casefold())
        ]
        start, size = at.number("startAt", 0), min(at.number("maxResults", 50), 100)
        page = {"startAt": start, "maxResults": size, "total": len(rows), "isLast": start + size >= len(rows)}
        return Answer.of(200, {**page, "values": rows[start : start + size]})

    def _workflows(self, at: At, _match: Any) -> Answer:
        """Show the one workflow, to administrators: others get 401, as Jira answers them."""
        if at.who not in self.site.administrators:
            raise Refused(401, "You do not have permission to read workflows.")
        words = {"new": "TODO", "indeterminate": "IN_PROGRESS", "done": "DONE"}
        statuses = [
            {"id": one.id, "name": one.name, "statusReference": one.id, "statusCategory": words[one.category],
             "description": "", "scope": {"type": "GLOBAL"}}
            for one in self.site.statuses.values()
        ]  # fmt: skip
        steps: list[Json] = [
            {"id": one.id, "name": one.name, "type": "DIRECTED" if one.sources else "GLOBAL", "description": "",
             "toStatusReference": one.to, "actions": [], "validators": [], "triggers": [], "properties": {},
             "links": [{"fromPort": 0, "fromStatusReference": start, "toPort": 1} for start in sorted(one.sources)]}
            for one in self.site.transitions
        ]  # fmt: skip
        first = next(iter(self.site.statuses))
        steps.append({"id": "1", "name": "Create", "type": "INITIAL", "toStatusReference": first, "links": []})
        flow = {"id": "b9ff2384-d3b6-4d4e-9509-3ee19f607168", "name": "Sandbox workflow", "description": "",
                "scope": {"type": "GLOBAL"}, "transitions": steps,
                "statuses": [{"statusReference": one["id"], "deprecated": False} for one in statuses]}  # fmt: skip
        return Answer.of(200, {"statuses": statuses, "workflows": [flow]})

    def _project(self, at: At, match: Any) -> Answer:
        found = self._visible(at, match["project"])
        types = [self.site.type(number, at.api) for number in self.site.types]
        return Answer.of(200, {**self.site.project(found.key, at.api), "issueTypes": types})

    def _project_statuses(self, at: At, match: Any) -> Answer:
        self._visible(at, match["project"])
        rows = [self.site.status(one, at.api) for one in self.site.statuses.values()]
        return Answer.of(200, [{**self.site.type(number, at.api), "statuses": rows} for number in self.site.types])

    def _user(self, at: At, _match: Any) -> Answer:
        number = at.call.first("accountId") or at.call.first("key") or at.call.first("username")
        found = self.site.users.get(number) or self.site.by_login.get(number)
        if found is None:
            raise Refused(404, "The user named in the request does not exist")
        return Answer.of(200, self.site.account(found))

    def _assignable(self, at: At, match: Any) -> Answer:
        """Find who may be assigned in a project: by a query as `_users`, or exactly by accountId."""
        project = self.site.projects.get(at.call.first("project"))
        barred = project.unassignable if project is not None else set()
        if exactly := at.call.first("accountId"):
            rows = [self.site.account(one) for one in self.site.users.values() if one.id == exactly]
        else:
            rows = json.loads(self._users(at, match).body)
        return Answer.of(200, [row for row in rows if not barred & {row.get("accountId"), row.get("key")}])

    def _users(self, at: At, _match: Any) -> Answer:
        word = (at.call.first("query") or at.call.first("username")).casefold()
        # "." is what python-jira sends for everybody; the empty word finds everybody who may be assigned.
        rows = [
            self.site.account(one)
            for one in self.site.users.values()
            if any(
                part.casefold().startswith(word)
                for part in (one.login, one.email, one.id, *one.shown.split(), one.shown)
            )
        ]
        return Answer.of(200, rows[at.number("startAt", 0) :][: at.number("maxResults", 50)])

    # --- metadata
    def _create_types(self, at: At, match: Any) -> Answer:
        self._visible(at, match["project"])
        return self._rows(at, [self.site.type(number, at.api) for number in self.site.types], "issueTypes")

    def _create_fields(self, at: At, match: Any) -> Answer:
        project = self._visible(at, match["project"])
        rows = [
            {
                **screen(field, self.site, at.api, required=name == "summary" or name in project.required),
                "fieldId": name,
            }
            for name, field in self.site.fields.items()
            if name != "resolution" and name not in project.off_create
        ]
        return self._rows(at, rows, "fields")

    def _rows(self, at: At, rows: list[Json], name: str) -> Answer:
        start, size = at.number("startAt", 0), min(at.number("maxResults", 50), 50)
        page = rows[start : start + size]
        shown: Json = {"startAt": start, "maxResults": size, "total": len(rows)}
        if self.site.cloud:
            return Answer.of(200, {**shown, name: page})
        return Answer.of(200, {**shown, "isLast": start + size >= len(rows), "values": page})

    def _edit_fields(self, at: At, match: Any) -> Answer:
        project = self.site.projects[found_issue(self.site, at, match["issue"]).project]
        fields = {
            name: screen(field, self.site, at.api, required=name == "summary" or name in project.required)
            for name, field in self.site.fields.items()
            if name != "resolution" and name not in project.off_edit and project.lets(at.who, "EDIT_ISSUES")
        }
        return Answer.of(200, {"fields": fields})


def screen(field: FieldKind, site: Site, api: str, *, required: bool) -> Json:
    """Describe a field as createmeta, editmeta and transitions do."""
    shown: Json = {
        "required": required,
        "schema": dict(field.schema),
        "name": field.name,
        "key": field.id,
        "hasDefaultValue": field.id == "priority",
        "operations": ["set"],
    }
    if field.options:
        shown["allowedValues"] = [
            {
                **site.choice(field, number, api),
                # Data Center says so of each option; that Cloud leaves them out is not documented.
                **({} if site.cloud or "custom" not in field.schema else {"disabled": number in field.retired}),
                **({"children": [{"id": i, "value": v} for i, v in children]} if children else {}),
            }
            for number, _, children in field.options
            if not (site.cloud and number in field.retired)
        ]
    return shown
