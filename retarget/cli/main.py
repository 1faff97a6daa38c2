"""The `retarget` command: finds the sub-command, turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import signal
import sys
import traceback
from typing import Final, NoReturn, Protocol, cast

from retarget import __version__
from retarget.beside import is_work_abandoned
from retarget.errors import INTERRUPTED_EXIT_CODE, RetargetError, UsageError
from retarget.library_threads import let_idle_threads_sleep
from retarget.quiet import say

__all__ = ["COMMANDS", "console_main", "main"]

COMMANDS: Final = {
    "video": "make the person of a photo perform the motion of a video",
    "frame": "the same for one pose: photo + pose of another photo or video frame",
    "pose": "extract the pose track of a video (JSON, overlay video)",
    "batch": "render a manifest of jobs, on this machine or a Ray cluster",
    "inspect": "show every stage of one frame or a range, as a page",
    "evaluate": "measure results: pairs, a video, or self-reenactment over a folder",
    "prepare": "prepare folders of videos for training",
    "train": "train the DRN, coarse to fine",
    "doctor": "tell what this machine has, or how well a photo will do",
    "demo": "run the main job on the embedded sample",
}
"""Sub-commands and their one-line help; `retarget.cli.NAME` holds each, imported only when called."""


_COLLECTOR_THRESHOLDS: Final = (50_000, 20, 50)


class CommandModule(Protocol):
    """What a module of a sub-command exposes."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of the sub-command; imports nothing heavy."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the work; return the exit code, raise `RetargetError` for what the user must know."""


class _Parser(argparse.ArgumentParser):
    """Tells a mistake in one line, as all other errors are told."""

    def error(self, message: str) -> NoReturn:
        self.exit(UsageError.exit_code, f"{self.prog}: {message} - `{self.prog} --help` tells all options\n")


def _top_level_parser() -> argparse.ArgumentParser:
    lines = "\n".join(f"  {name:<10}{text}" for name, text in COMMANDS.items())
    parser = _Parser(
        prog="retarget",
        description="One photo of a person + a driving video = a video in which that person makes that motion.",
        epilog=f"commands:\n{lines}\n\n`retarget COMMAND --help` tells the options of one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"retarget {__version__}")
    parser.add_argument("command", choices=tuple(COMMANDS), metavar="COMMAND", help="see below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="options of the command")
    return parser


def _raise_interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        argv: arguments without the program's name; None takes them from the process.

    Returns:
        0 on success, the error's class code otherwise (see `retarget.errors`), 130 when interrupted.
    """
    top = _top_level_parser().parse_args(argv)
    command = cast(CommandModule, importlib.import_module(f"retarget.cli.{top.command}"))
    parser = _Parser(prog=f"retarget {top.command}", description=COMMANDS[top.command])
    command.configure(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    args = parser.parse_args(top.arguments)
    previous_handler = signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        return command.run(args)
    except RetargetError as error:
        if args.debug:
            traceback.print_exc()
        say(f"retarget {top.command}: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        say(f"retarget {top.command}: interrupted")
        return INTERRUPTED_EXIT_CODE
    finally:
        signal.signal(signal.SIGTERM, previous_handler)


def console_main() -> NoReturn:
    """Entry point of the console script."""
    let_idle_threads_sleep()
    # Libraries make half a million objects that live as long as the process: looking through them for garbage over
    # and over while they are imported, and once more at the end, takes a second and a half.
    gc.set_threshold(*_COLLECTOR_THRESHOLDS)
    exit_code = main()
    if "triton" not in sys.modules:  # torch's optimisers load it, and it reports what is left over at the end
        gc.freeze()
    if exit_code == INTERRUPTED_EXIT_CODE and is_work_abandoned():
        # Nothing is left to do but to wait for a photo's model that nobody wants any more.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    sys.exit(exit_code)
