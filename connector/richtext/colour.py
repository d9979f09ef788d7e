"""Bring a colour that people write into the one form that Atlassian's documents take."""

from __future__ import annotations

import re
from typing import Final

_HEX: Final = re.compile(r"#[0-9a-fA-F]{6}")
_SHORT_HEX: Final = re.compile(r"#[0-9a-fA-F]{3}")
_COLOURS: Final = {
    "red": "#ff0000", "green": "#008000", "blue": "#0000ff", "black": "#000000", "white": "#ffffff", "gray": "#808080",
    "grey": "#808080", "yellow": "#ffff00", "orange": "#ffa500", "purple": "#800080", "navy": "#000080",
    "teal": "#008080", "maroon": "#800000", "olive": "#808000", "lime": "#00ff00", "aqua": "#00ffff", "cyan": "#00ffff",
    "fuchsia": "#ff00ff", "magenta": "#ff00ff", "silver": "#c0c0c0", "brown": "#a52a2a", "pink": "#ffc0cb",
    "darkred": "#8b0000", "darkgreen": "#006400", "darkblue": "#00008b",
}  # fmt: skip
"""Colour names of CSS; ADF takes only ``#rrggbb``."""


def hexadecimal(colour: str) -> str:
    """Return ``#rrggbb`` (one that is that already as it stands), "" for a colour nobody knows."""
    if _HEX.fullmatch(colour):
        return colour
    colour = colour.strip().lower()
    if _SHORT_HEX.fullmatch(colour):
        return "#" + "".join(letter * 2 for letter in colour[1:])
    return colour if _HEX.fullmatch(colour) else _COLOURS.get(colour, "")
