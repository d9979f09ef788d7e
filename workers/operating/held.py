"""Say what is held behind a gate, why, since when, and what opens it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workers.holding import BRAKE_GATE, FORMAT_GATE


def what_opens(gate: str, shut: Mapping[str, Any], when: Any) -> str:
    """Say in a few words what opens a gate as `Views.gates` shows it; ``when`` turns ms into words."""
    if shut.get("opening"):
        return "opening: a canary got through, or a person opened it"
    if until := shut.get("until"):
        return f"opens by itself at {when(until)}"
    if gate == BRAKE_GATE:
        return "a person looks at what was created, then: connector resume NAME"
    if gate == FORMAT_GATE:
        return f"a newer version wrote it; the next try is at {when(shut['next'])}" if "next" in shut else "upgrade"
    if "next" in shut:
        tried = f" ({shut['tries']} failed so far)" if shut["tries"] else ""
        return f"mend it, the next canary goes at {when(shut['next'])}{tried}"
    if gate.startswith("dead-"):
        return f"replay or discard dead letter {gate[5:]}"
    return "a person opens it: connector resume NAME --gate GATE"


def line(connector: str, gate: str, shut: Mapping[str, Any], when: Any) -> str:
    """Tell about one gate in a line."""
    about = shut.get("about") or {}
    cause = " ".join(str(about[name]) for name in ("error", "cause") if about.get(name))
    place = f" in {about['where']}" if about.get("where") else ""
    why = f"{cause}{place}: {shut['why']}" if cause else shut["why"]
    since = when(shut["since"])
    return f"{connector}: {shut['parked']} held behind {gate} since {since}: {why}; {what_opens(gate, shut, when)}"
