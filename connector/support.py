"""Say what each system can do, read off the manifests, so that the table in the README cannot be wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connector.event import Kind
from connector.system import System

COLUMNS = ("system", "events", "webhooks", "polled", "written to", "backfill", "queries")


def support(systems: Mapping[str, System]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each system; see `COLUMNS`.  Its name links to its README, from the project's folder."""
    for system in systems.values():
        yield (
            f"[{system.title}](connector/systems/{system.name}/README.md)",
            ", ".join(_events(system)),
            "signed",
            "yes" if system.poll is not None else "no",
            "yes" if system.target is not None else "no",
            "yes" if system.backfill is not None else "no",
            "JQL" if system.matches is not None else "–",
        )


def _events(system: System) -> Iterator[str]:
    families: dict[str, list[str]] = {}
    for kind in sorted(system.kinds - {Kind.OTHER}):
        family, _, verb = kind.value.partition(".")
        families.setdefault(family, []).append(verb)
    for family, verbs in families.items():
        yield f"{family.replace('_', ' ')}s ({', '.join(verbs)})"


def table(systems: Mapping[str, System]) -> str:
    """Return the support table as Markdown."""
    rows = [COLUMNS, tuple("---" for _ in COLUMNS), *support(systems)]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
