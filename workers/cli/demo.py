"""Show the main job against sandboxes of the vendors."""

from __future__ import annotations

COMMANDS = ()
