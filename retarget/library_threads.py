"""How the threads of the libraries below wait: asleep, where they would spin by default.

Threads that have just helped with a product of matrices or a copy look for more work for milliseconds before they
sleep, a hundred times a second here, on cores that others of our threads need. Measured on two cores: a fifth of a
job's processor time. The libraries read these settings from the environment when they are loaded.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["let_idle_threads_sleep"]

_SETTINGS: Final = {
    "OMP_WAIT_POLICY": "PASSIVE",  # torch's threads
    "OPENBLAS_NUM_THREADS": "1",  # numpy's and scipy's, which can't be told to sleep; their matrices are small
}


def let_idle_threads_sleep() -> None:
    """Choose for this process and those it starts, before torch and numpy are imported; what the user set is kept."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
