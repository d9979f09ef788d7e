"""Run the mapping tests beside the connectors, offline; write one from a recorded payload."""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import click

from connector.cases import Case, cases
from connector.config import Config
from connector.errors import ConfigError, ConnectorError, Rejected
from connector.gathering import TESTS
from connector.registry import SYSTEMS
from connector.system import Inbound, System
from connector.trial import Difference, Outcome, differences, tried
from workers.cli.output import FAILED, USAGE, as_json, console, fail, print_json, say
from workers.cli.parts import named_in
from workers.cli.payloads import headers_of, inbounds_of
from workers.cli.recording import Recording
from workers.cli.recording import record as write
from workers.files import Folder
from workers.settings import Settings
from workers.tools import tools


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case: nothing differs where it passed; ``broken`` says why it could not be tried."""

    case: Case
    differences: tuple[Difference, ...] = ()
    broken: str = ""

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.differences and not self.broken

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        place = self.case.place
        return {
            "connector": self.case.connector,
            "case": self.case.name,
            "file": place.file,
            "line": place.line,
            "passed": self.passed,
            **({"broken": self.broken} if self.broken else {}),
            "differences": [{"what": one.what, "expected": one.expected, "got": one.got} for one in self.differences],
        }


@click.command()
@click.argument("connectors", nargs=-1, metavar="[CONNECTOR]...")
@click.option("--record", nargs=2, metavar="CONNECTOR FILE", help="Write a case from a recorded payload instead.")
@click.option("--name", default="", help="With --record: what the case is called.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="With --record: a header it came with.")
@click.option("--linked", is_flag=True, help="With --record: the item has its counterpart already.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write the results as JUnit XML, too.")
@as_json
def test(  # noqa: PLR0917 - click hands over every option by its name
    connectors: tuple[str, ...],
    record: tuple[str, str] | None,
    name: str,
    headers: tuple[str, ...],
    linked: bool,
    junit: Path | None,
    *,
    as_json: bool,
) -> None:
    """Run the mapping tests of CONNECTORs, of all where none is named; exit code 1 where one fails.

    Tests stand beside their connector: bugs.test.yaml beside bugs.yaml.  Nobody is asked and nothing is written; the
    event is planned by the code that plans a delivery.  --record writes a case from a recorded webhook body, with
    what comes of it today; look at it before you keep it.
    """
    from workers.env_file import filled

    settings = Settings.from_environment(filled(os.environ))
    folder = Folder(settings.home / settings.config)
    config = folder.read()
    for one in connectors:
        named_in(config, one)
    if record is not None:
        payload = Path(record[1])
        what = Recording(record[0], payload, name or payload.stem, headers_of(headers), linked=linked)
        write(folder.path, config, what, lambda case: _outcome(folder, config, case))
        return
    found = [one for one in _read(folder, config) if not connectors or one.connector in connectors]
    if not found:
        fail(f"there is no case to run; cases stand in files such as connectors/bugs{TESTS[0]}", USAGE)
    results = [_run(folder, config, one) for one in found]
    if junit is not None:
        junit.write_bytes(_junit(results))
    if as_json:
        print_json([one.as_json() for one in results])
    else:
        _print(results)
    if not all(one.passed for one in results):
        raise SystemExit(FAILED)


def _read(folder: Folder, config: Config) -> list[Case]:
    found, problems = cases(folder.cases(), {name: one.file for name, one in config.connectors.items()})
    if problems:
        raise ConfigError(tuple(problems))
    return found


def _run(folder: Folder, config: Config, case: Case) -> Result:
    try:
        return Result(case, tuple(differences(case.expected, _outcome(folder, config, case))))
    except ConnectorError as error:
        return Result(case, broken=str(error))


def _outcome(folder: Folder, config: Config, case: Case) -> Outcome:
    def read(one: Case, system: System) -> Sequence[Inbound]:
        if one.given.payload is not None:
            return inbounds_of(json.dumps(one.given.payload).encode(), _headers(one), system, "payload")
        path = folder.path / posixpath.join(posixpath.dirname(one.place.file), one.given.file)
        if not path.is_file():
            raise Rejected(f"there is no file {one.given.file} (it is looked for beside the cases)", cause="case")
        return inbounds_of(path.read_bytes(), _headers(one), system, one.given.file)

    return tried(config, SYSTEMS, tools(), case, read)


def _headers(case: Case) -> dict[str, str]:
    return {name.lower(): value for name, value in case.given.headers.items()}


# --- showing -----------------------------------------------------------------------------------------------
def _print(results: Iterable[Result]) -> None:
    passed = failed = 0
    for one in results:
        passed, failed = passed + one.passed, failed + (not one.passed)
        say(f"{'ok' if one.passed else 'FAIL':>4}  {one.case.connector}: {one.case.name}",
            style="green" if one.passed else "bold red")  # fmt: skip
        if one.passed:
            continue
        say(f"      {one.case.place.file}:{one.case.place.line}", style="dim")
        if one.broken:
            say(f"      {one.broken}", style="red")
        for difference in one.differences:
            say(f"      {difference.what}")
            for line in difference.lines():
                say(f"        {line}", style={"-": "red", "+": "green"}.get(line[:1], "dim"))
    console.print(f"{passed} passed, {failed} failed" + ("; - is expected, + came" if failed else ""))


def _junit(results: Sequence[Result]) -> bytes:
    """Write the results as most CI systems read them."""
    failures = sum(not one.passed for one in results)
    suite = ET.Element("testsuite", name="connector test", tests=str(len(results)), failures=str(failures))
    for one in results:
        place = one.case.place
        case = ET.SubElement(
            suite, "testcase", classname=one.case.connector, name=one.case.name, file=place.file, line=str(place.line)
        )
        if not one.passed:
            lines = [one.broken] if one.broken else []
            for difference in one.differences:
                lines += [difference.what, *difference.lines()]
            said = ", ".join(difference.what for difference in one.differences) or one.broken
            failure = ET.SubElement(case, "failure", message=said)
            failure.text = "\n".join(lines)
    made: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return made


COMMANDS = (test,)
