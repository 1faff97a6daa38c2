"""Work beside the main thread: waited for, unless one is interrupted."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from retarget.beside import beside, is_work_abandoned


def test_work_is_waited_for_at_the_end_and_on_errors() -> None:
    done = []
    with beside("test") as pool:
        pool.submit(lambda: (time.sleep(0.05), done.append(1)))
    with pytest.raises(OSError, match="gone"), beside("test") as pool:  # noqa: PT012 - it ends by an error
        pool.submit(lambda: (time.sleep(0.05), done.append(2)))
        raise OSError("gone")
    assert done == [1, 2]
    assert not is_work_abandoned()


def test_an_interrupt_does_not_wait() -> None:
    release = threading.Event()
    with pytest.raises(KeyboardInterrupt), beside("test") as pool:  # noqa: PT012 - it ends by an interrupt
        pool.submit(release.wait)
        raise KeyboardInterrupt
    assert is_work_abandoned()
    release.set()


def test_an_interrupted_command_ends_at_once() -> None:
    code = (
        "import time\n"
        "from retarget.beside import beside\n"
        "from retarget.cli import main as command\n"
        "def interrupted():\n"
        "    with beside('photo') as pool:\n"
        "        pool.submit(time.sleep, 60)\n"
        "        raise KeyboardInterrupt\n"
        "def main():\n"
        "    try:\n"
        "        interrupted()\n"
        "    except KeyboardInterrupt:\n"
        "        print('interrupted')\n"
        "        return 130\n"
        "command.main = main\n"
        "command.console_main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (130, "interrupted\n"), done.stderr
