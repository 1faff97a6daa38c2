"""The driver's own pictures for the frames that are looked into, kept as they pass by where that is possible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from retarget.errors import InputChangedError
from retarget.pipeline.driver_range import DriverRange
from retarget.records import Frame, UInt8Array

__all__ = ["WatchedDriver"]

_KEPT_BYTES: Final = 100_000_000


@dataclass(frozen=True)
class WatchedDriver(DriverRange):
    """A part of a driver that keeps some pictures of every pass over it, so that they need no pass of their own.

    Attributes:
        wanted: numbers of the frames whose pictures are kept, in order.
        size_hw: size of the driver's pictures; those that were shrunk while they were decoded are not kept.
    """

    wanted: tuple[int, ...] = ()
    size_hw: tuple[int, int] = (0, 0)
    _kept: dict[int, UInt8Array] = field(default_factory=dict, init=False, repr=False, compare=False)

    def frames(self, max_height: int | None = None) -> Iterator[Frame]:
        """Yield the frames, as `DriverRange.frames`; wanted ones are kept until 100 MB are full."""
        wanted = frozenset(self.wanted)
        for frame in super().frames(max_height):
            if frame.index in wanted and self._has_room(frame.rgb):
                self._kept[frame.index] = frame.rgb
            yield frame

    def pictures(self) -> Iterator[UInt8Array]:
        """Yield the wanted pictures, (H, W, 3) uint8 each, and let go of them; what was not kept is read again.

        Raises:
            InputChangedError: the driver has got shorter meanwhile.
        """
        again = self._read_again(frozenset(self.wanted) - self._kept.keys())
        for index in self.wanted:
            picture = self._kept.pop(index) if index in self._kept else next(again, None)
            if picture is None:
                raise InputChangedError(f"{self.path}: was replaced while it was read", hint="start again")
            yield picture

    def _has_room(self, rgb: UInt8Array) -> bool:
        room = _KEPT_BYTES - sum(each.nbytes for each in self._kept.values())
        return rgb.shape[:2] == self.size_hw and rgb.nbytes <= room

    def _read_again(self, indices: frozenset[int]) -> Iterator[UInt8Array]:
        last = max(indices, default=-1)
        for frame in super().frames():
            if frame.index in indices:
                yield frame.rgb
            if frame.index >= last:
                return
