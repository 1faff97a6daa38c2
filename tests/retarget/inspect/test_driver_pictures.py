"""Pictures kept in passing are those of a pass of their own, and what can't be kept is read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import retarget
from retarget.errors import InputChangedError
from retarget.inspect import driver_pictures
from retarget.inspect.driver_pictures import WatchedDriver
from retarget.pipeline.driver_range import DriverRange
from retarget.records import UInt8Array

DRIVER = Path(retarget.__file__).parent / "assets" / "demo_driver.mp4"
WANTED = (0, 3, 4)


@pytest.fixture(scope="module")
def shown() -> list[UInt8Array]:
    return [frame.rgb for frame in DriverRange(DRIVER, 0.2, 0.4).frames()]


def watched(shown: list[UInt8Array]) -> WatchedDriver:
    height, width = shown[0].shape[:2]
    return WatchedDriver(DRIVER, 0.2, 0.4, WANTED, (height, width))


def assert_pictures(driver: WatchedDriver, shown: list[UInt8Array]) -> None:
    pictures = list(driver.pictures())
    assert len(pictures) == len(WANTED)
    for index, picture in zip(WANTED, pictures, strict=True):
        np.testing.assert_array_equal(picture, shown[index])


def test_what_passed_by_is_not_read_again(shown: list[UInt8Array], monkeypatch: pytest.MonkeyPatch) -> None:
    driver = watched(shown)
    assert len(list(driver.frames())) == len(shown)
    with monkeypatch.context() as patch:
        patch.setattr(DriverRange, "frames", lambda *_: pytest.fail("read again"))
        assert_pictures(driver, shown)
    assert_pictures(driver, shown)  # they were let go of: now it is read again


def test_what_was_not_kept_is_read(shown: list[UInt8Array], monkeypatch: pytest.MonkeyPatch) -> None:
    assert_pictures(watched(shown), shown)

    shrunk = watched(shown)
    assert next(shrunk.frames(max_height=100)).rgb.shape[0] <= 100
    assert_pictures(shrunk, shown)

    monkeypatch.setattr(driver_pictures, "_KEPT_BYTES", shown[0].nbytes)
    full = watched(shown)
    list(full.frames())
    assert_pictures(full, shown)


def test_a_driver_that_got_shorter_is_told(shown: list[UInt8Array]) -> None:
    driver = replace(watched(shown), wanted=(0, 1000))
    with pytest.raises(InputChangedError, match="was replaced"):
        list(driver.pictures())
