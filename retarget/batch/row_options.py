"""Options of `retarget video` as text by name, as manifests and the batch command line give them.

Texts go through the very parser of `retarget video`, so that a manifest accepts what the command line accepts, and
says the same about what it refuses.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NoReturn

from retarget.errors import UsageError
from retarget.job_options import add_video_options

__all__ = ["JOB_COLUMNS", "flag_names", "option_names", "options_from_args", "parse_options"]

JOB_COLUMNS: Final = ("source", "driver", "output")
_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})


class _RowParser(argparse.ArgumentParser):
    """A parser that raises instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


@lru_cache(maxsize=1)
def _parser() -> argparse.ArgumentParser:
    parser = _RowParser(add_help=False, allow_abbrev=False)
    for name in JOB_COLUMNS:
        parser.add_argument(f"--{name}")
    add_video_options(parser)
    return parser


@lru_cache(maxsize=1)
def _actions() -> dict[str, argparse.Action]:
    return {action.dest: action for action in _parser()._actions if action.dest not in JOB_COLUMNS}


def option_names() -> tuple[str, ...]:
    """Return the names of all options of `retarget video` that a row may set."""
    return tuple(_actions())


def flag_names() -> frozenset[str]:
    """Return the names of those options that are on or off."""
    return frozenset(name for name, action in _actions().items() if action.nargs == 0)


def options_from_args(args: argparse.Namespace) -> dict[str, str]:
    """Turn parsed options of `add_video_options` back into texts; those at their defaults are left out.

    Args:
        args: as a parser with `add_video_options` returns them.
    """
    values = {name: (getattr(args, name), action.default) for name, action in _actions().items()}
    return {
        name: "true" if value is True else str(value)
        for name, (value, default) in values.items()
        if value != default and value is not None
    }


def parse_options(options: Mapping[str, str], *, source: str, driver: str, output: str) -> argparse.Namespace:
    """Parse the options of one job.

    Args:
        options: text by option name; flags as true/false, yes/no, on/off or 1/0.
        source: path of the photo.
        driver: path of the clip.
        output: path of the result.

    Returns:
        What `job_from_args` expects.

    Raises:
        UsageError: an unknown option or a value that is not understood; says which.
    """
    # "--name=value" keeps values that begin with a dash from being read as options.
    arguments = [f"--source={source}", f"--driver={driver}", f"--output={output}"]
    flags = flag_names()
    for name, text in options.items():
        if name not in _actions():
            raise UsageError(f"unknown option {name!r}")
        option = f"--{name.replace('_', '-')}"
        if name not in flags:
            arguments.append(f"{option}={text}")
        elif text.lower() in _TRUE:
            arguments.append(option)
        elif text.lower() not in _FALSE:
            raise UsageError(f"{name}: {text!r} is neither true nor false")
    return _parser().parse_args(arguments)
