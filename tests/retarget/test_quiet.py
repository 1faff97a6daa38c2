"""Native libraries are silenced, our own lines are not."""

from __future__ import annotations

import os
import threading

import pytest

from retarget.quiet import quiet_stderr, say


def test_what_libraries_print_goes_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_stderr():
        os.write(2, b"greetings")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_a_line_waits_until_it_can_be_heard(capfd: pytest.CaptureFixture[str]) -> None:
    is_silent, release = threading.Event(), threading.Event()

    def silence() -> None:
        with quiet_stderr():
            is_silent.set()
            release.wait(10)

    library = threading.Thread(target=silence)
    library.start()
    is_silent.wait(10)
    threading.Timer(0.1, release.set).start()
    say("retarget: no such file")
    library.join()
    assert capfd.readouterr().err == "retarget: no such file\n"
