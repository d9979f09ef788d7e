"""A published configuration says the same wherever it is read, and takes no credential along."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.comparing import compare
from connector.errors import ConfigError
from tests.workers.commanding import CONNECTIONS, CONNECTOR
from workers import bundle
from workers.bundle import Bundle
from workers.files import ready_made
from workers.stores.records import UnknownFormat, compress

FILES = {"connections/main.yaml": CONNECTIONS.encode(), "connectors/web-bugs.yaml": CONNECTOR.encode()}


def made(environment: dict[str, str] | None = None, **more: str) -> Bundle:
    files = {name.replace("_", "/", 1) + ".yaml": text.encode() for name, text in more.items()}
    return Bundle.of({**FILES, **files}, environment or {}, ready_made())


def test_what_is_unpacked_is_what_was_packed() -> None:
    before = made()
    after = Bundle.unpack(before.pack())
    assert after == before
    assert after.load() == before.load()
    assert not compare(before.said(), after.said())


def test_the_same_documents_are_the_same_bytes() -> None:
    assert made().pack() == Bundle(dict(sorted(made().files.items(), reverse=True)), {}, made().templates).pack()


def test_variables_go_along_but_only_those_that_are_named() -> None:
    other = "version: 1\nname: other\ntemplate: github-to-jira\nfrom: {repositories: [acme/web]}\nto: {project: '${CONNECTOR_PROJECT}'}\n"
    environment = {"CONNECTOR_PROJECT": "OPS", "CONNECTOR_HOME": "/home", "JIRA_TOKEN": "geheim"}
    one = Bundle.unpack(made(environment, connectors_other=other).pack())
    assert one.variables == {"CONNECTOR_PROJECT": "OPS"}
    # Read where the variable is another: nothing else comes of it.
    assert one.load().connectors["other"].target.settings.project == "OPS"


def test_what_it_starts_from_goes_along() -> None:
    """A later version of the product, with other ready-made connectors, reads what was published."""
    one = made()
    name, text = "github-to-jira", made().templates["github-to-jira"]
    changed = replace(one, templates={**one.templates, name: text + "concurrency: 7\n"})
    assert changed.load().connectors["web-bugs"].concurrency == 7
    assert Bundle.unpack(changed.pack()).load().hash == changed.load().hash != one.load().hash


@pytest.mark.parametrize(
    "line",
    [
        "# token: ghp_0123456789abcdefABCDEF0123456789abcd",
        "# xoxb-123456789012-abcdefghijkl",
        "# -----BEGIN RSA PRIVATE KEY-----",
        "# was https://bot:hunter2@jira.acme.example before",
    ],
)
def test_what_looks_like_a_credential_is_refused_with_its_line_and_not_repeated(line: str) -> None:
    with pytest.raises(ConfigError) as told:
        made(connectors_web=f"version: 1\n{line}\n").pack()
    (problem,) = told.value.problems
    assert (problem.file, problem.line) == ("connectors/web.yaml", 2)
    assert "env:NAME" in problem.message
    assert line.rsplit(maxsplit=1)[-1] not in str(problem)


def test_a_credential_in_a_variable_is_refused_too() -> None:
    one = made({"CONNECTOR_PROXY": "http://bot:hunter2@proxy:3128"}, connectors_x="# ${CONNECTOR_PROXY}\n")
    with pytest.raises(ConfigError, match="CONNECTOR_PROXY"):
        one.pack()


def test_references_and_addresses_are_no_credentials() -> None:
    assert (
        made(connectors_x="# env:GITHUB_TOKEN https://a.example:8443/x?y=a@b mailto:a@b.example\n").credentials() == ()
    )


def test_what_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "LARGEST", 100)
    with pytest.raises(ConfigError, match="KB packed"):
        made().pack()


def test_a_file_that_is_no_text_is_named() -> None:
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        Bundle.of({"connectors/x.yaml": b"\xff\xfe"}, {}, {})


@pytest.mark.parametrize(
    "packed",
    [b"", b"\x07abc", b"\x01not zstd", compress(b"[]"), compress(b"{}"), compress(b'{"v": 2}'), compress(b"{")],
)
def test_what_cannot_be_unpacked_is_said_to_be_unknown(packed: bytes) -> None:
    with pytest.raises(UnknownFormat):
        Bundle.unpack(packed)
