"""Be a worker that now and then dies exactly at a commit point: before a script is sent, before its answer, after it.

    python -m tests.chaos.dying SEED work --name w4

A kill from outside nearly always meets a worker that waits for something; here each of the instants counts that lie
between two steps of the protocol.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from random import Random
from typing import Any, Final

from workers.cli import main
from workers.stores import client

SHARE: Final = 0.006
"""How many of its scripts a worker dies at."""


def die_sometimes(chance: Random, share: float) -> None:
    """Let the store's client end this process at some of its scripts."""
    lock = threading.Lock()

    ask = client._asked

    def asked(connection: Any, commands: tuple[tuple[Any, ...], ...]) -> list[Any]:
        with lock:
            point = chance.choice(("before", "between", "after")) if chance.random() < share else ""
        if point == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if point == "between":
            connection.send_packed_command(connection.pack_commands(commands))
            os.kill(os.getpid(), signal.SIGKILL)
        answer = ask(connection, commands)
        if point == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    client._asked = asked


if __name__ == "__main__":
    die_sometimes(Random(sys.argv[1]), SHARE)
    sys.argv[1:] = sys.argv[2:]
    main()
