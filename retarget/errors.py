"""The errors a user can meet, each with the exit code of its class.

Tree::

    RetargetError            1
    ├── UsageError           2    options that make no sense together
    ├── InputError           3    unreadable, unsupported, empty or absurd input
    │   ├── DecodeError      3    the file opens, but its pictures can't be decoded (to the end)
    │   └── InputChangedError 3   an input was replaced while it was being used
    ├── PersonNotFoundError  4    nobody in the photo or in the whole driver
    ├── OutputError          5    the result can't be written
    ├── ModelError           6    unknown model, corrupt or foreign checkpoint
    │   └── DeviceError      6    the device is absent or out of memory
    └── JobsFailedError      7    a batch finished, some of its jobs failed
"""

from __future__ import annotations

__all__ = [
    "INTERRUPTED_EXIT_CODE",
    "DecodeError",
    "DeviceError",
    "InputChangedError",
    "InputError",
    "JobsFailedError",
    "ModelError",
    "OutputError",
    "PersonNotFoundError",
    "RetargetError",
    "UsageError",
]

INTERRUPTED_EXIT_CODE = 130


class RetargetError(Exception):
    """A failure that is told to the user in one line: what was wrong, where, what to do.

    Args:
        message: what was wrong and where (name the file).
        hint: what to do about it; appended after a dash.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = " ".join(message.split())
        self.hint = " ".join(hint.split()) if hint else None
        super().__init__(f"{self.message} - {self.hint}" if self.hint else self.message)


class UsageError(RetargetError):
    """The command line or the arguments contradict each other."""

    exit_code = 2


class InputError(RetargetError):
    """An input file is missing, unreadable, unsupported, empty or absurd."""

    exit_code = 3


class DecodeError(InputError):
    """A media file opens, but its pictures can't be decoded (to the end)."""


class InputChangedError(InputError):
    """An input was replaced while it was being used; trying again may go well."""


class PersonNotFoundError(RetargetError):
    """No person in the photo, or in no frame of the driver."""

    exit_code = 4


class OutputError(RetargetError):
    """The result can't be written."""

    exit_code = 5


class ModelError(RetargetError):
    """A model is unknown, corrupt or of another architecture."""

    exit_code = 6


class DeviceError(ModelError):
    """The requested device is absent or ran out of memory."""


class JobsFailedError(RetargetError):
    """A batch ran to its end, but some jobs failed."""

    exit_code = 7
