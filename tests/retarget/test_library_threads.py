"""Libraries are told to let idle threads sleep, before they are loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from retarget.library_threads import let_idle_threads_sleep


def test_settings_of_the_user_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    let_idle_threads_sleep()
    assert os.environ.pop("OPENBLAS_NUM_THREADS") == "1"
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_the_command_chooses_before_numpy_is_imported() -> None:
    code = (
        "import os, sys\n"
        "from retarget.cli import main as command\n"
        "assert 'numpy' not in sys.modules and 'torch' not in sys.modules\n"
        "def main():\n"
        "    print(os.environ['OMP_WAIT_POLICY'], os.environ['OPENBLAS_NUM_THREADS'])\n"
        "    return 0\n"
        "command.main = main\n"
        "command.console_main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env={"PATH": ""}
    )
    assert (done.returncode, done.stdout) == (0, "PASSIVE 1\n"), done.stderr
