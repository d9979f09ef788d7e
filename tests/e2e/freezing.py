"""Be a worker that freezes at the worst moment: its deadline is checked, its request is announced and not yet sent.

    python -m tests.e2e.freezing SWITCH work --name w1

While the file SWITCH exists, the first write whose request line matches its content (a regular expression) takes the
file away and stops this process right before its last bytes leave, as SIGSTOP from outside would if it could be timed
to the microsecond.  (Any earlier, and the deadline would be checked once more after the thaw.)
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from workers import wire
from workers.cli import main


def freeze_at(switch: Path) -> None:
    """Let every plain socket of the transport look for the switch once its own checks are done."""

    class Freezing(wire.PlainSocket):
        _armed = False

        def sendall(self, *arguments: Any) -> None:
            self.settimeout(self.call.left(self.call.read))
            self.call.sent = True
            data = bytes(arguments[0])
            if switch.exists() and re.match(switch.read_bytes(), data):
                switch.unlink()
                self._armed = True
            # The head goes alone where the body is a piece of its own.
            if self._armed and not data.endswith(b"\r\n\r\n"):
                self._armed = False
                os.kill(os.getpid(), signal.SIGSTOP)
                # The signal may be delivered by way of another thread; this one must not get far meanwhile.
                threading.Event().wait(0.2)
            socket.socket.sendall(self, *arguments)

    wire.PlainSocket = Freezing  # type: ignore[misc]  # what `_connect` makes


if __name__ == "__main__":
    freeze_at(Path(sys.argv[1]))
    sys.argv[1:] = sys.argv[2:]
    main()
