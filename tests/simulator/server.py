"""Be the store: fakeredis with the shipped scripts, in simulated time, watched at the wire.

Two things differ from plain fakeredis.  Scripts are compiled once per process instead of once per call (most of
what a script costs there), and keys expire by the simulated clock: `Server.shift` brings every expiry nearer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from fakeredis import FakeRedis, FakeServer

from tests.simulator.stage import Stage
from workers.stores.scripts import sha_of, text_of

Seen = Callable[[str, str, tuple[Any, ...], Any], None]
"""Told of each script right when it has run: name, tag, arguments, raw answer."""

NAMES: Final = tuple(
    sorted(
        one.name.removesuffix(".lua")
        for one in (files("workers.stores") / "lua").iterdir()
        if one.name.removesuffix(".lua") not in {"lib", "gates", "letters", "connection"}
    )
)


@cache
def _names() -> dict[str, str]:
    return {sha_of(name): name for name in NAMES}


class _Compiled:
    """A Lua runtime that keeps what it has compiled."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._kept: dict[bytes, Any] = {}

    def execute(self, script: bytes | str) -> Any:
        if isinstance(script, str):
            return None  # "collectgarbage()" after each script: left to Lua's own rhythm
        found = self._kept.get(script)
        if found is None:
            found = self._kept[script] = self._runtime.compile(script)
        return found()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)


@cache
def _runtime() -> dict[str, Any]:
    """Return what a server needs to run Lua; made once, shared by all servers of this process."""
    first: Any = FakeServer(server_type="valkey")
    FakeRedis(server=first).eval("return 1", 0)
    made = {name: value for name, value in vars(first).items() if name.startswith("_lua_") and value is not None}
    made["_lua_runtime"] = _Compiled(made["_lua_runtime"])
    return made


class Server:
    """One store.  ``spoils`` maps a piece of script to what stands in its place: a protection switched off."""

    def __init__(self, spoils: Mapping[str, str] | None = None) -> None:
        self.fake: Any = FakeServer(server_type="valkey")
        vars(self.fake).update(_runtime())
        self.spoils = dict(spoils or {})
        self.client = FakeRedis(server=self.fake)
        """For whoever looks from outside the simulation: no pauses, no faults."""
        self._texts: dict[str, str] = {}
        self.bitten: set[str] = set()
        """Which spoils were found in a script that ran."""

    def text(self, name: str) -> str:
        if name not in self._texts:
            text = text_of(name)
            for piece, other in self.spoils.items():
                if piece in text:
                    self.bitten.add(piece)
                    text = text.replace(piece, other)
            self._texts[name] = text
        return self._texts[name]

    def shift(self, seconds: float) -> None:
        """Let the server's clock move: whatever expires, expires so much earlier (later, for a negative number)."""
        for base in self.fake.dbs.values():
            for key, item in list(base._dict.items()):
                if item.expireat is not None:
                    item.expireat -= seconds
                    base.schedule_expiry(key, item.expireat)


class Wire(FakeRedis):
    """A process's client: stops before and after each command, tells the witness, sends some twice."""

    def __init__(self, server: Server, stage: Stage, seen: Seen, *, twice: Callable[[str], bool]) -> None:
        """``twice(script)``: whether its answer is lost, so that the client repeats it, as the product's does."""
        super().__init__(server=server.fake)
        self._server, self._stage, self._seen, self._twice = server, stage, seen, twice

    def execute_command(self, *args: Any, **options: Any) -> Any:
        name = self._name(args)
        self._stage.pause(f"{name}<")
        got = self._run(name, args, options)
        if args[0] in {"EVALSHA", "EVAL"} and self._twice(name):
            self._stage.pause(f"{name}<<")
            got = self._run(name, args, options)
        self._stage.pause(f"{name}>")
        return got

    def _run(self, name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
        if args[0] not in {"EVALSHA", "EVAL"}:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        got: Any = super().execute_command("EVAL", self._server.text(name), *args[2:])  # type: ignore[no-untyped-call]
        self._seen(name, args[3], args[4:], got)
        return got

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Any:
        """Return a pipeline that is one step to the outside, as it is one round trip."""
        return _Pipeline(self)

    def _name(self, args: tuple[Any, ...]) -> str:
        if args[0] == "EVALSHA":
            return _names()[args[1]]
        if args[0] == "EVAL":
            return next(name for name in NAMES if text_of(name) == args[1])
        return str(args[0]).lower()


class _Pipeline:
    """Commands gathered for one round trip; other clients may be served between two of them, as on a real server."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def execute_command(self, *args: Any, **options: Any) -> Any:
        self._calls.append((args, options))
        return self

    def __getattr__(self, name: str) -> Any:
        method = getattr(type(self._wire), name)

        def call(*args: Any, **options: Any) -> Any:
            # redis-py's own methods build the command and hand it to execute_command: of this object, here.
            return method(self, *args, **options)

        return call

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        calls, self._calls = self._calls, []
        names = [self._wire._name(args) for args, _ in calls]
        self._wire._stage.pause(f"{'+'.join(dict.fromkeys(names))}<")
        got = []
        for name, (args, options) in zip(names, calls, strict=True):
            try:
                answer = self._wire._run(name, args, options)
                if args[0] == "EVALSHA" and self._wire._twice(name):
                    answer = self._wire._run(name, args, options)
                got.append(answer)
            except Exception as error:
                if raise_on_error:
                    raise
                got.append(error)
        self._wire._stage.pause(f"{'+'.join(dict.fromkeys(names))}>")
        return got
