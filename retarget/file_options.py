"""Which options of a job name files: a background or a model does, unless it is a keyword or a colour."""

from __future__ import annotations

import re
from typing import Final

from retarget.config import BACKGROUND_NAMES, MODEL_NAMES

__all__ = ["names_file", "parse_colour"]

_KEYWORDS: Final = {"background": BACKGROUND_NAMES, "model": MODEL_NAMES}
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")


def parse_colour(text: str) -> tuple[int, int, int] | None:
    """Read "#rrggbb"; None where the text is no colour."""
    if not _COLOUR.fullmatch(text):
        return None
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def names_file(option: str, text: str) -> bool:
    """Tell whether an option's text is the path of a file.

    Args:
        option: its name, e.g. "background".
        text: what it was given.
    """
    if option not in _KEYWORDS or text in _KEYWORDS[option]:
        return False
    return option != "background" or parse_colour(text) is None
