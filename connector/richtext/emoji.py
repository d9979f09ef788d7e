"""Know the emoji that people use at work by their short names.

Short names are those of GitHub and Slack, which agree on these (from general knowledge, not
verified); a name that is not here stays the text it was.
"""

from __future__ import annotations

import re
from typing import Final

BY_NAME: Final = {
    "smile": "😄", "smiley": "😃", "grinning": "😀", "grin": "😁", "joy": "😂", "laughing": "😆", "wink": "😉",
    "blush": "😊", "slightly_smiling_face": "🙂", "upside_down_face": "🙃", "thinking_face": "🤔", "thinking": "🤔",
    "sunglasses": "😎", "heart_eyes": "😍", "neutral_face": "😐", "confused": "😕", "disappointed": "😞",
    "cry": "😢", "sob": "😭", "scream": "😱", "angry": "😠", "rage": "😡", "sweat_smile": "😅", "tired_face": "😫",
    "stuck_out_tongue": "😛", "see_no_evil": "🙈", "shrug": "🤷", "facepalm": "🤦", "+1": "👍", "thumbsup": "👍",
    "-1": "👎", "thumbsdown": "👎", "ok_hand": "👌", "clap": "👏", "wave": "👋", "raised_hands": "🙌", "pray": "🙏",
    "muscle": "💪", "eyes": "👀", "point_up": "☝", "point_right": "👉", "point_left": "👈", "point_down": "👇",
    "heart": "❤", "broken_heart": "💔", "fire": "🔥", "boom": "💥", "sparkles": "✨", "star": "⭐", "zap": "⚡",
    "tada": "🎉", "rocket": "🚀", "bug": "🐛", "wrench": "🔧", "hammer": "🔨", "gear": "⚙", "bulb": "💡",
    "lock": "🔒", "key": "🔑", "mag": "🔍", "memo": "📝", "pencil": "📝", "books": "📚", "package": "📦", "link": "🔗",
    "bell": "🔔", "loudspeaker": "📢", "mega": "📣", "calendar": "📅", "hourglass": "⌛", "stopwatch": "⏱",
    "white_check_mark": "✅", "heavy_check_mark": "✔", "ballot_box_with_check": "☑", "x": "❌",
    "negative_squared_cross_mark": "❎", "warning": "⚠", "no_entry": "⛔", "no_entry_sign": "🚫", "question": "❓",
    "exclamation": "❗", "grey_question": "❔", "information_source": "ℹ", "construction": "🚧",
    "rotating_light": "🚨", "red_circle": "🔴", "large_blue_circle": "🔵", "large_green_circle": "🟢",
    "large_yellow_circle": "🟡", "heavy_plus_sign": "➕", "heavy_minus_sign": "➖", "arrow_right": "➡",
    "arrow_left": "⬅", "arrow_up": "⬆", "arrow_down": "⬇", "recycle": "♻", "100": "💯", "coffee": "☕", "beers": "🍻",
    "triangular_flag_on_post": "🚩", "ship": "🚢", "lady_beetle": "🐞", "skull": "💀", "ghost": "👻",
    "robot_face": "🤖",
}  # fmt: skip

SHORT: Final = re.compile(r":([a-z0-9_+\-]{1,40}):")
"""A short name between colons; only those in `BY_NAME` mean something."""

WIKI: Final = {
    ":)": "slightly_smiling_face", ":(": "disappointed", ":P": "stuck_out_tongue", ":D": "smiley", ";)": "wink",
    "(y)": "+1", "(n)": "-1", "(i)": "information_source", "(/)": "white_check_mark", "(x)": "x", "(!)": "warning",
    "(+)": "heavy_plus_sign", "(-)": "heavy_minus_sign", "(?)": "question", "(on)": "bulb", "(*)": "star",
    "(flag)": "triangular_flag_on_post",
}  # fmt: skip
"""Jira's emoticons (general knowledge of its notation guide), as far as there is an emoji for them."""

TO_WIKI: Final = {name: sign for sign, name in WIKI.items()}
