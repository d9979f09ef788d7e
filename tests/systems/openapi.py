"""Check requests and answers against a vendor's official OpenAPI 3 or Swagger 2 document, leniently.

Lenient, because the documents are not clean and reality differs from them: unknown members of an
*answer* are fine, formats and patterns are not looked at, undeclared error statuses are fine.  Strict
where a mistake of ours would hide: the path and method must exist, query parameters must be known,
required members must be there, types must fit, and a member that a *request* sends must be declared.

    spec = Spec.load(reference_data / "openapi/github-rest-subset/api.github.com.subset.json")
    assert spec.check_request("POST", "/repos/a/b/issues", {}, {"title": "x"}) == []
    assert spec.check_answer("POST", "/repos/a/b/issues", 201, answer.json()) == []

Both return sentences, one a problem, an empty list where all is well.  ``prefix`` is what stands in
our paths before those of the document (``/rest`` for Jira Data Center).  ``waive`` are regular
expressions of problems to leave out, for the places where the document is known to be wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

Json = Any
_METHODS: Final = ("get", "put", "post", "delete", "patch", "head", "options")
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


@dataclass(frozen=True)
class Operation:
    """One method of one path: its parameters, body schema and answers, Swagger 2 and OpenAPI 3 alike."""

    template: str
    parameters: tuple[Mapping[str, Json], ...]
    body: Mapping[str, Json] | None
    body_required: bool
    answers: Mapping[str, Mapping[str, Json] | None]


@dataclass(frozen=True)
class Spec:
    """A loaded document."""

    document: Mapping[str, Json]
    prefix: str = ""
    waive: tuple[str, ...] = ()
    _paths: list[tuple[re.Pattern[str], str]] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path, prefix: str = "", waive: Sequence[str] = ()) -> Spec:
        document = json.loads(path.read_text(encoding="utf-8"))
        spec = cls(document, prefix, tuple(waive))
        # Literal segments before parameters: `/issues/comments` wins over `/issues/{number}`.
        for template in sorted(document["paths"], key=lambda p: [s.startswith("{") for s in p.split("/")]):
            pattern = re.sub(r"\\{[^/]*?\\}", "[^/]+", re.escape(template))
            spec._paths.append((re.compile(pattern), template))
        return spec

    # --- what tests call -----------------------------------------------------------------------
    def check_request(
        self, method: str, path: str, query: Mapping[str, str | Sequence[str]], body: Json = None
    ) -> list[str]:
        """Say what is wrong with a request; ``body`` is the parsed JSON (or form as a dict), None for none."""
        operation = self._operation(method, path)
        if isinstance(operation, str):
            return self._kept([operation])
        return self._kept(
            [
                *self._query(operation, query),
                *self._body(operation, body),
            ]
        )

    def check_answer(self, method: str, path: str, status: int, body: Json) -> list[str]:
        """Say what is wrong with an answer; ``body`` is the parsed JSON, None for an empty one."""
        operation = self._operation(method, path)
        if isinstance(operation, str):
            return self._kept([operation])
        declared = operation.answers
        key = next((k for k in (str(status), f"{status // 100}XX", f"{status // 100}xx") if k in declared), "default")
        if key == "default" and status < 400 and "default" not in declared:
            return self._kept([f"answer: status {status} is not declared, only {sorted(declared)}"])
        schema = declared.get(key)
        if schema is None or (status >= 400 and body is None):
            return []
        return self._kept(list(self._problems(schema, body, "answer", sending=False)))

    # --- finding the operation -------------------------------------------------------------------
    def _operation(self, method: str, path: str) -> Operation | str:
        if not path.startswith(self.prefix):
            return f"path {path} does not start with {self.prefix}"
        bare = path.removeprefix(self.prefix)
        templates = [template for pattern, template in self._paths if pattern.fullmatch(bare)]
        if not templates:
            return f"no path {bare}"
        for template in templates:
            item = self.document["paths"][template]
            if method.lower() in item:
                return self._read(template, item, item[method.lower()])
        there = [m.upper() for m in _METHODS if m in self.document["paths"][templates[0]]]
        return f"no method {method} on {templates[0]}, only {there}"

    def _read(self, template: str, item: Mapping[str, Json], operation: Mapping[str, Json]) -> Operation:
        parameters = tuple(self._follow(p) for p in (*item.get("parameters", ()), *operation.get("parameters", ())))
        answers = {
            str(status): self._schema_of(self._follow(answer))
            for status, answer in operation.get("responses", {}).items()
        }
        if "swagger" not in self.document:
            body = self._follow(operation.get("requestBody", {}))
            return Operation(template, parameters, self._schema_of(body), bool(body.get("required")), answers)
        form = [p for p in parameters if p["in"] == "formData"]
        whole = next((p for p in parameters if p["in"] == "body"), None)
        if whole is not None:
            return Operation(template, parameters, whole.get("schema"), bool(whole.get("required")), answers)
        required = [p["name"] for p in form if p.get("required")]
        schema = {"type": "object", "properties": {p["name"]: p for p in form}, "required": required}
        return Operation(template, parameters, schema if form else None, bool(required), answers)

    def _schema_of(self, holder: Mapping[str, Json]) -> Mapping[str, Json] | None:
        if "schema" in holder:
            return dict(holder["schema"])
        kinds = holder.get("content", {})
        found = next((c for name, c in kinds.items() if "json" in name), None)
        return None if found is None else found.get("schema")

    def _follow(self, node: Mapping[str, Json]) -> Mapping[str, Json]:
        while "$ref" in node:
            found: Json = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            node = found
        return node

    # --- checking ----------------------------------------------------------------------------------
    def _query(self, operation: Operation, query: Mapping[str, str | Sequence[str]]) -> Iterator[str]:
        declared = {p["name"]: p for p in operation.parameters if p["in"] == "query"}
        for name, value in query.items():
            if name not in declared:
                yield f"query: {name} is not declared, only {sorted(declared)}"
                continue
            schema = self._follow(declared[name].get("schema", declared[name]))
            for one in [value] if isinstance(value, str) else value:
                if schema.get("type") == "integer" and not re.fullmatch(r"-?\d+", one):
                    yield f"query: {name} must be an integer, not {one!r}"
                if schema.get("type") == "boolean" and one not in {"true", "false"}:
                    yield f"query: {name} must be true or false, not {one!r}"
                if schema.get("enum") and one not in map(str, schema["enum"]):
                    yield f"query: {name} must be one of {schema['enum']}, not {one!r}"
        for name, parameter in declared.items():
            if parameter.get("required") and name not in query:
                yield f"query: {name} is missing"

    def _body(self, operation: Operation, body: Json) -> Iterator[str]:
        if body is None:
            if operation.body_required:
                yield "body: missing"
        elif operation.body is None:
            yield "body: none is declared"
        else:
            yield from self._problems(operation.body, body, "body", sending=True)

    def _problems(self, schema: Mapping[str, Json], value: Json, where: str, *, sending: bool) -> Iterator[str]:
        schema = self._follow(schema)
        if value is None and _nullable(schema):
            return
        for part in schema.get("allOf", ()):
            # Members of the other parts are unknown to this one: only what it knows is checked.
            yield from self._problems(part, value, where, sending=False)
        alone = sending and "properties" not in schema
        for word in ("oneOf", "anyOf"):
            if word in schema:
                tries = [list(self._problems(part, value, where, sending=alone)) for part in schema[word]]
                if tries and all(tries):
                    yield from min(tries, key=len)
        names = _types(schema)
        if names and not _fits(value, names):
            yield f"{where}: must be {' or '.join(names)}, not {_short(value)}"
            return
        if sending and schema.get("enum") and value not in schema["enum"]:
            yield f"{where}: must be one of {schema['enum']}, not {_short(value)}"
        if isinstance(value, dict):
            yield from self._members(schema, value, where, sending=sending)
        if isinstance(value, list):
            items = schema.get("items")
            for number, one in enumerate(value):
                if isinstance(items, Mapping):
                    yield from self._problems(items, one, f"{where}[{number}]", sending=sending)

    def _members(
        self, schema: Mapping[str, Json], value: Mapping[str, Json], where: str, *, sending: bool
    ) -> Iterator[str]:
        properties = schema.get("properties", {})
        rest = schema.get("additionalProperties")
        # In Swagger 2 form schemas a *member* may carry `required: true`, which is not a list.
        required = schema.get("required")
        for name in required if isinstance(required, list) else ():
            if name not in value:
                yield f"{where}.{name}: missing"
        for name, one in value.items():
            if name in properties:
                yield from self._problems(properties[name], one, f"{where}.{name}", sending=sending)
            elif isinstance(rest, Mapping):
                yield from self._problems(rest, one, f"{where}.{name}", sending=sending)
            elif sending and properties and not rest and not {"allOf", "oneOf", "anyOf"} & schema.keys():
                yield f"{where}.{name}: is not declared, only {sorted(properties)}"

    def _kept(self, problems: list[str]) -> list[str]:
        return [p for p in problems if not any(re.search(w, p) for w in self.waive)]


def _types(schema: Mapping[str, Json]) -> tuple[str, ...]:
    declared = schema.get("type", ())
    names = (declared,) if isinstance(declared, str) else tuple(declared)
    return tuple(n for n in names if n in _TYPES)


def _nullable(schema: Mapping[str, Json]) -> bool:
    return bool(schema.get("nullable")) or "null" in _types(schema)


def _fits(value: Json, names: tuple[str, ...]) -> bool:
    for name in names:
        if isinstance(value, bool) and name != "boolean":
            continue
        if isinstance(value, _TYPES[name]):
            return True
        if name == "integer" and isinstance(value, float) and value.is_integer():
            return True
    return False


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
