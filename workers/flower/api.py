"""Offer what the pages offer to scripts: JSON under /api/connector, same roles, same audit, described by OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

import orjson
import tornado.web

from workers.flower import audit as audit_page
from workers.flower.conflicts import decide_conflict, list_conflicts, one_conflict
from workers.flower.dead import RATE
from workers.flower.face import TOLD, Face, said_of
from workers.flower.show import redacted
from workers.operating import acting
from workers.operating.care import Care, Stage, care_of, take
from workers.operating.fidelity import fidelity
from workers.operating.forecast import forecast
from workers.operating.letters import Dead, Filter, find, grouped, opened
from workers.operating.pace import speed
from workers.operating.standing import standing
from workers.operating.story import tell
from workers.roles import Role
from workers.stores.orders import LARGEST, order_of

ROOT: Final = "/api/connector"
PAGE: Final = 1000

FILTER: Final = {
    "connector": "Name of a connector.",
    "system": "System of the target.",
    "entity": "Key of an item, or part of it.",
    "error": "Error class.",
    "cause": "Cause.",
    "group": "Group of one cause.",
    "text": "Part of the message.",
}


class Api(Face):
    """Answers the operations of one path."""

    def initialize(self, operations: Mapping[str, Operation]) -> None:
        """``operations`` by HTTP method."""
        self._operations = operations
        self.body: Mapping[str, Any] = {}

    async def _run(self, *args: str) -> None:
        operation = self._operations.get(str(self.request.method))
        if operation is None:
            raise tornado.web.HTTPError(405)
        if operation.body and self.request.body:
            try:
                given = orjson.loads(self.request.body)
            except orjson.JSONDecodeError as error:
                raise tornado.web.HTTPError(400, "the body is no JSON") from error
            if not isinstance(given, dict) or given.keys() - operation.body.keys():
                raise tornado.web.HTTPError(400, f"the body must be an object of: {', '.join(operation.body)}")
            self.body = given
        document = await operation.run(self, *args)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(orjson.dumps(document, default=str))

    get = post = delete = _run

    def refuse_stranger(self) -> Any:
        """Scripts are not sent to a login."""
        raise tornado.web.HTTPError(401)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say what is wrong, as JSON; never a traceback."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        told = said_of(error)
        self.set_status(status_code)
        if status_code == HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", 'Basic realm="flower", charset="UTF-8"')
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(orjson.dumps({"error": told or TOLD.get(status_code, HTTPStatus(status_code).phrase)}))

    def filter(self) -> Filter:
        """Read the criteria from the query or the body."""
        given: dict[str, Any] = {name: str(self.body.get(name) or self.word(name)) for name in FILTER}
        return Filter(**given)

    def text_of(self, name: str) -> str:
        """Return a member of the body as text."""
        return str(self.body.get(name) or "").strip()

    def meant(self) -> list[Dead]:
        """Return the dead letters that a body means; 400 where it means none."""
        ids = {str(one) for one in self.body.get("ids") or ()}
        if not ids and not any(self.body.get(name) for name in FILTER):
            raise tornado.web.HTTPError(400, "say which: ids, or a filter")
        found = find(self.desk, self.config, self.filter(), self.connectors(Role.OPERATOR))
        return [one for one in found if not ids or one.id in ids]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a script can do.  ``query`` and ``body`` name what it takes, with its meaning."""

    method: str
    path: str
    role: Role
    summary: str
    run: Callable[..., Awaitable[Any]]
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] = field(default_factory=dict)


# --- looking ------------------------------------------------------------------------------------------------
def _shown(api: Api, name: str) -> dict[str, Any]:
    one = api.connector_named(name)
    return {**standing(api.desk, one).as_json(), "speed": asdict(speed(api.desk, one))}


async def _list(api: Api) -> Any:
    return [await api.ask(_shown, api, one.name) for one in api.connectors()]


async def _one(api: Api, name: str) -> Any:
    return await api.ask(_shown, api, name)


async def _shadow(api: Api, name: str) -> Any:
    one = api.connector_named(name)
    return {**(await api.ask(fidelity, api.desk, one)).as_json(), "mode": one.mode.value}


async def _dead(api: Api) -> Any:
    found = await api.ask(find, api.desk, api.config, api.filter(), api.connectors())
    start = int(api.number("start", 0, least=0, most=10_000_000))
    return {
        "total": len(found),
        "groups": [one.as_json() for one in grouped(found)],
        "letters": [{**asdict(one), "group": one.group} for one in found[start : start + PAGE]],
    }


async def _care(api: Api, name: str, group: str) -> Any:
    one = api.connector_named(name, Role.OPERATOR)
    if not re.fullmatch(r"[0-9a-f]{16}", group):
        raise tornado.web.HTTPError(404, f"there is no group {group}")
    try:
        stage = Stage(api.text_of("stage"))
        care = Care(stage, api.text_of("assignee"), api.text_of("note"), api.text_of("incident"))
        await api.ask(take, api.desk, one, group, care, api.by)
    except ValueError as error:
        raise tornado.web.HTTPError(400, str(error)) from error
    return asdict((await api.ask(care_of, api.desk.deliveries(one)))[group])


async def _letter(api: Api, name: str, delivery: str) -> Any:
    one = api.connector_named(name, Role.OPERATOR)
    found = await api.ask(opened, api.desk, api.config, one, delivery)
    if found is None:
        raise tornado.web.HTTPError(404, f"{delivery} is not a dead letter of {name}")
    await api.ask(acting.looked, api.desk, one, api.by, "look", delivery=delivery)
    document = asdict(found)
    del document["letter"]
    return redacted({**document, "unknown": found.unknown, "group": found.dead.group})


async def _story(api: Api) -> Any:
    item = api.word("item").strip()
    if not item or len(item) > 500:
        raise tornado.web.HTTPError(400, "item: a key or a URL")
    return asdict(await api.ask(tell, api.desk, api.config, api.connectors(), item))


async def _audit(api: Api) -> Any:
    name = api.word("connector")
    chosen = [one for one in api.connectors(Role.ADMIN) if name in {"", one.name}]
    if not chosen:
        raise tornado.web.HTTPError(403, f"{api.person.name} may not export the audit")
    found = await api.ask(audit_page.rows, api.desk, chosen, actor=api.word("actor"), action=api.word("action"))
    for one in chosen:
        await api.ask(acting.looked, api.desk, one, api.by, "export", rows=len(found))
    return found


# --- acting -------------------------------------------------------------------------------------------------
async def _pause(api: Api, name: str) -> Any:
    await api.ask(acting.pause, api.desk, api.connector_named(name, Role.OPERATOR), api.by, api.text_of("why"))
    return await _one(api, name)


async def _resume(api: Api, name: str) -> Any:
    one = api.connector_named(name, Role.OPERATOR)
    await api.ask(acting.resume, api.desk, one, api.by, gate=api.text_of("gate"))
    return await _one(api, name)


async def _poll(api: Api, name: str) -> Any:
    one = api.connector_named(name, Role.OPERATOR)
    await api.ask(api.parts.poll, one)
    await api.ask(acting.looked, api.desk, one, api.by, "poll")
    return {"connector": name, "polls": True}


async def _examine(api: Api, name: str) -> Any:
    one = api.connector_named(name, Role.OPERATOR)
    return {"connector": name, **asdict(await api.ask(acting.examine, api.desk, one, api.by))}


def _rate(api: Api) -> float:
    rate = api.body.get("rate", RATE)
    if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0.1 <= rate <= 1000:
        raise tornado.web.HTTPError(400, "rate: letters per second, from 0.1 to 1000")
    return float(rate)


async def _replay(api: Api) -> Any:
    letters, rate = await api.ask(api.meant), _rate(api)
    if len(letters) > LARGEST:
        raise tornado.web.HTTPError(400, f"{len(letters)} letters are meant; {LARGEST} at once at most")
    answers = []
    for name in dict.fromkeys(one.connector for one in letters):
        connector = api.connector_named(name, Role.OPERATOR)
        mine = [one for one in letters if one.connector == name]
        if api.body.get("dry_run"):
            told = await api.ask(forecast, api.desk, connector, mine)
            trials = [{"id": one.dead.id, "failure": one.failure} for one in told.trials]
            answers.append({"connector": name, **asdict(told), "trials": trials, "failing": told.failing})
            continue
        order = await api.ask(
            acting.replay,
            api.desk,
            connector,
            mine,
            api.by,
            order=_order_id(api, name),
            rate=rate,
            reason=api.text_of("reason"),
            absent=api.body.get("absent") is True,
        )
        answers.append({**asdict(order), "connector": name})
    return answers


def _order_id(api: Api, name: str) -> str:
    given = api.text_of("order")
    if given and not re.fullmatch(r"[A-Za-z0-9_-]{8,64}", given):
        raise tornado.web.HTTPError(400, "order: 8 to 64 letters, digits, - or _; the same one twice is one order")
    return f"{given}-{name}" if given else acting.new_order()


async def _discard(api: Api) -> Any:
    reason = api.text_of("reason")
    if not reason:
        raise tornado.web.HTTPError(400, "reason: why; it stays in the audit")
    letters = await api.ask(api.meant)
    gone = 0
    for name in dict.fromkeys(one.connector for one in letters):
        connector = api.connector_named(name, Role.OPERATOR)
        ids = [one.id for one in letters if one.connector == name]
        gone += await api.ask(acting.discard, api.desk, connector, ids, api.by, reason)
    return {"discarded": gone}


async def _order(api: Api, name: str, order: str) -> Any:
    found = await api.ask(order_of, api.desk.deliveries(api.connector_named(name)), order)
    if found is None:
        raise tornado.web.HTTPError(404, f"there is no order {order} of {name}")
    return {**asdict(found), "connector": name, "left": found.left}


async def _cancel(api: Api, name: str, order: str) -> Any:
    one = api.connector_named(name, Role.OPERATOR)
    await api.ask(acting.cancel, api.desk, one, order, api.by)
    return await _order(api, name, order)


async def _openapi(_api: Api) -> Any:
    return description()


CHOICE: Final = {"ids": "Ids of dead letters; or one of the filters.", **FILTER}

OPERATIONS: Final = (
    Operation("GET", "/connectors", Role.VIEWER, "How every connector stands.", _list),
    Operation("GET", "/connectors/{connector}", Role.VIEWER, "How one connector stands.", _one),
    Operation("GET", "/connectors/{connector}/shadow", Role.VIEWER, "What shadow mode has seen of it.", _shadow),
    Operation("POST", "/connectors/{connector}/pause", Role.OPERATOR, "Stop delivering; events wait.", _pause,
              body={"why": "Shown to others."}),
    Operation("POST", "/connectors/{connector}/resume", Role.OPERATOR, "Go on, or open one gate.", _resume,
              body={"gate": "Name of a gate; the whole connector where it is left out."}),
    Operation("POST", "/connectors/{connector}/poll", Role.OPERATOR, "Poll its source now.", _poll),
    Operation("POST", "/connectors/{connector}/examine", Role.OPERATOR, "Hold it against its target now.", _examine),
    Operation("GET", "/dead-letters", Role.VIEWER, "Dead letters, newest first, and their groups.", _dead,
              query={**FILTER, "start": f"Letters to pass over; {PAGE} are returned."}),
    Operation("GET", "/dead-letters/{connector}/{delivery}", Role.OPERATOR, "One dead letter; audited.", _letter),
    Operation("POST", "/dead-letters/replay", Role.OPERATOR, "Order a replay, or say what it would do.", _replay,
              body={**CHOICE, "rate": "Letters per second.", "reason": "Why.", "dry_run": "Only say what it would do.",
                    "absent": "True: you have looked, and what ambiguous ones may have written is not there.",
                    "order": "A name for the order, so that sending it twice is one order."}),
    Operation("POST", "/dead-letters/discard", Role.OPERATOR, "Give dead letters up.", _discard,
              body={**CHOICE, "reason": "Why; needed."}),
    Operation("GET", "/conflicts", Role.VIEWER, "What waits for a person, without values.", list_conflicts,
              query={"connector": "Name.", "item": "Key of either side, or part of it.",
                     "start": f"Conflicts to pass over; {PAGE} are returned."}),
    Operation("GET", "/conflicts/{connector}/{conflict}", Role.OPERATOR, "One conflict; audited.", one_conflict),
    Operation("POST", "/conflicts/{connector}/{conflict}", Role.OPERATOR, "Decide one conflict.", decide_conflict,
              body={"take": "from (the source's value holds), to (the target's) or value (another).",
                    "value": "The other value: text (Markdown for rich text), a list of text, or null.",
                    "seen": "As it was told; 409 where a side has changed since."}),
    Operation("POST", "/groups/{connector}/{group}", Role.OPERATOR, "Say who takes care of a group.", _care,
              body={"stage": "open, acknowledged, held or resolved.", "assignee": "Who.", "note": "What is known.",
                    "incident": "A link."}),
    Operation("GET", "/replays/{connector}/{order}", Role.VIEWER, "How far an order is.", _order),
    Operation("DELETE", "/replays/{connector}/{order}", Role.OPERATOR, "Cancel an order.", _cancel),
    Operation("GET", "/story", Role.VIEWER, "Why an item did or did not sync.", _story, query={"item": "Key or URL."}),
    Operation("GET", "/audit", Role.ADMIN, "The audit's tail; audited.", _audit,
              query={"connector": "Name.", "actor": "Who.", "action": "What."}),
    Operation("GET", "/openapi.json", Role.VIEWER, "This description.", _openapi),
)  # fmt: skip


def description() -> dict[str, Any]:
    """Return the OpenAPI description of all operations."""
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        names = re.findall(r"{(\w+)}", one.path)
        parameters = [{"name": n, "in": "path", "required": True, "schema": {"type": "string"}} for n in names]
        parameters += [
            {"name": n, "in": "query", "description": why, "schema": {"type": "string"}} for n, why in one.query.items()
        ]
        members = {n: {"description": why} for n, why in one.body.items()}
        schema = {"type": "object", "properties": members, "additionalProperties": False}
        paths.setdefault(ROOT + one.path, {})[one.method.lower()] = {
            "summary": one.summary,
            "description": f"Needs the role {one.role.name.lower()}.",
            "parameters": parameters,
            **({"requestBody": {"content": {"application/json": {"schema": schema}}}} if members else {}),
            "responses": {
                "200": {"description": "Done.", "content": {"application/json": {}}},
                "400": {"description": "What is wrong with the question."},
                "401": {"description": "Who are you?"},
                "403": {"description": "Not with your role; or no XSRF token (header X-XSRFToken, cookie _xsrf)."},
                "404": {"description": "There is no such thing that you may see."},
            },
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Jira Connector", "version": version("jira-connector-workers")},
        "security": [{"basic": []}],
        "paths": paths,
        "components": {"securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}},
    }


def _routes() -> list[Any]:
    paths: dict[str, dict[str, Operation]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method] = one
    return [
        tornado.web.url(
            ROOT + re.sub(r"{\w+}", "([^/]+)", path).replace(".json", r"\.json"), Api, {"operations": found}
        )
        for path, found in paths.items()
    ]


ROUTES: Final = _routes()
