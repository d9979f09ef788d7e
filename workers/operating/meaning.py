"""Say what each class of error means and what to do about it, in the words of the runbook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error class means, and what to do; ``heading`` is its heading in ``deploy/runbook.md``."""

    heading: str
    means: str
    act: str


MEANINGS: Final = {
    "Rejected": Meaning(
        "Rejected",
        "The target will not take this as it is: a field that is required, unknown, not on the screen, or too long.",
        "Mend the mapping, or the target, then replay the group.",
    ),
    "Ambiguous": Meaning(
        "Ambiguous",
        "It may have been written, and the target cannot be asked.",
        "Look there. Where it is there, discard; only where it is absent, replay, and say so.",
    ),
    "Forbidden": Meaning(
        "Forbidden",
        "The credential works, but may not do this here.",
        "Give the account the permission, then replay the group.",
    ),
    "Retryable": Meaning(
        "Retryable",
        "The target failed again and again while others succeeded.",
        "Look at the item and at the target's state, then replay.",
    ),
    "RateLimited": Meaning(
        "RateLimited",
        "The target asked to wait for longer than a delivery may.",
        "Look at the limits of the account and who else uses it, then replay.",
    ),
    "Stale": Meaning(
        "Stale",
        "The target changed under every attempt.",
        "Look who writes to this item all the time, then replay.",
    ),
    "Crash": Meaning(
        "Crash",
        "The worker died whenever it held this delivery.",
        "Look at the worker's log and memory; replay after an upgrade.",
    ),
    "Held": Meaning(
        "Held",
        "It was never tried: it waited behind a gate, and a person made dead letters of what was held there.",
        "Replay it, or discard it.",
    ),
    "Unreadable": Meaning(
        "Unreadable",
        "The payload could not be read.",
        "Upgrade, then read it again: connector dead reread.",
    ),
}

BUG: Final = Meaning(
    "A bug of ours",
    "Nobody has foreseen this error.",
    "Report it with its traceback, which holds no payload; replay after an upgrade.",
)


def meaning_of(error: str) -> Meaning:
    """Return what an error class means; classes that nobody has foreseen are bugs of ours."""
    return MEANINGS.get(error, BUG)
