"""Pictures as bytes for the cache: PNG, which gives back every byte and takes a fraction of the space."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from retarget.records import FloatArray, UInt8Array

__all__ = ["pack_map", "pack_picture", "unpack_map", "unpack_picture"]

_QUICK: Final = (cv2.IMWRITE_PNG_COMPRESSION, 1)


def pack_picture(picture: UInt8Array) -> UInt8Array:
    """Pack a picture.

    Args:
        picture: (H, W, C) uint8 with 3 or 4 channels of any meaning.

    Returns:
        (N,) uint8.
    """
    _, packed = cv2.imencode(".png", picture, _QUICK)
    return np.asarray(packed, np.uint8).reshape(-1)


def unpack_picture(packed: npt.NDArray[Any], shape: tuple[int, ...]) -> UInt8Array:
    """Return the picture that `pack_picture` packed.

    Args:
        packed: (N,) uint8.
        shape: (H, W, C), which the picture has to have.

    Raises:
        ValueError: something else is packed there.
    """
    picture = cv2.imdecode(np.ascontiguousarray(packed, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.shape != shape or picture.dtype != np.uint8:
        raise ValueError(f"not a packed picture of {shape}")
    return np.asarray(picture, np.uint8)


def pack_map(values: FloatArray) -> UInt8Array:
    """Pack a map (H, W) float32 as (N,) uint8: its bytes are taken for the channels of a picture."""
    return pack_picture(np.ascontiguousarray(values, np.float32).view(np.uint8).reshape(*values.shape, 4))


def unpack_map(packed: npt.NDArray[Any], size_hw: tuple[int, int]) -> FloatArray:
    """Return the map (H, W) float32 that `pack_map` packed.

    Raises:
        ValueError: something else is packed there.
    """
    return unpack_picture(packed, (*size_hw, 4)).view(np.float32)[..., 0]
