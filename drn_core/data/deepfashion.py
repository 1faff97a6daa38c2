"""DeepFashion In-shop by the published lists: pairs of pictures, OpenPose joints, no prior."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

from drn_core.data.augment import flipped
from drn_core.data.records import TrainingBatch
from drn_core.errors import DataError
from drn_core.model.records import DriverInput, DRNInput, SourceInput
from drn_core.pictures import picture_tensor

__all__ = ["DeepFashionDataset", "read_keypoints", "read_pairs"]

_NUM_JOINTS: Final = 18
_MISSING: Final = -1


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Read a pair list: a CSV with the columns `from` and `to`.

    Raises:
        DataError: the file is missing, or has other columns, or no rows.
    """
    rows = _rows(path, ",")
    if not rows or not {"from", "to"} <= set(rows[0]):
        raise DataError(f"{path}: expected a CSV with rows and the columns 'from' and 'to'")
    return [(row["from"], row["to"]) for row in rows]


def read_keypoints(path: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """Read a keypoint list: lines of `name: [y ...]: [x ...]` under the header `name:keypoints_y:keypoints_x`.

    Args:
        path: the list; -1 stands for a joint that was not found.

    Returns:
        For each picture, joints (18, 2) as (x, y) in pixels, and confidence (18,), 0 or 1.

    Raises:
        DataError: the file is missing or a line is malformed.
    """
    rows = _rows(path, ":")
    if not rows or not {"name", "keypoints_y", "keypoints_x"} <= set(rows[0]):
        raise DataError(f"{path}: expected rows under the header 'name:keypoints_y:keypoints_x'")
    return {row["name"]: _joints(path, row) for row in rows}


class DeepFashionDataset:
    """Pairs of one person in two poses; pairs whose pictures or joints are missing are left out and counted.

    Args:
        image_folder: pictures, by the names in the lists.
        pairs: the pair list.
        keypoints: the keypoint list.
        size_hw: pictures are scaled to this size, joints with them.
        augment: random flips, joints changing sides.

    Raises:
        DataError: a list is unreadable, or no pair is usable.
    """

    def __init__(
        self, image_folder: Path, pairs: Path, keypoints: Path, size_hw: tuple[int, int], *, augment: bool
    ) -> None:
        self._folder, self._size_hw, self._augment = image_folder, size_hw, augment
        self._joints = read_keypoints(keypoints)
        listed = read_pairs(pairs)
        names = {name for pair in listed for name in pair}
        usable = {name for name in names if name in self._joints and (image_folder / name).is_file()}
        self._pairs = [pair for pair in listed if pair[0] in usable and pair[1] in usable]
        self.num_left_out = len(listed) - len(self._pairs)
        if not self._pairs:
            raise DataError(f"{image_folder}: none of the {len(listed)} pairs of {pairs} has both pictures and joints")

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._pairs)

    def sample(self, index: int, *, seed: int) -> TrainingBatch:
        """Return one pair as a batch of one.

        Raises:
            DataError: a picture can't be decoded.
        """
        source_name, target_name = self._pairs[index]
        source_image, source_points, source_sure = self._picture(source_name)
        target_image, target_points, target_sure = self._picture(target_name)
        depth = torch.zeros(1, _NUM_JOINTS)
        batch = TrainingBatch(
            inputs=DRNInput(
                SourceInput(source_image, source_points, source_sure), DriverInput(target_points, target_sure, depth)
            ),
            target=target_image,
        )
        generator = torch.Generator().manual_seed(seed)
        return flipped(batch) if self._augment and torch.rand((), generator=generator) < 0.5 else batch

    def _picture(self, name: str) -> tuple[Tensor, Tensor, Tensor]:
        path = self._folder / name
        data = np.frombuffer(path.read_bytes(), np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
        if picture is None:
            raise DataError(f"{path}: can't be decoded")
        height, width = picture.shape[:2]
        scaled = cv2.resize(picture, self._size_hw[::-1], interpolation=cv2.INTER_AREA)
        image = picture_tensor(scaled[..., ::-1])
        points, sure = self._joints[name]
        scale = torch.tensor([self._size_hw[1] / width, self._size_hw[0] / height])
        return image, ((points + 0.5) * scale - 0.5)[None], sure[None]


def _rows(path: Path, delimiter: str) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file, delimiter=delimiter, skipinitialspace=True)
            return [{str(key).strip(): str(value).strip() for key, value in row.items()} for row in rows]
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})") from None


def _joints(path: Path, row: dict[str, str]) -> tuple[Tensor, Tensor]:
    try:
        ys, xs = json.loads(row["keypoints_y"]), json.loads(row["keypoints_x"])
        points = torch.tensor([xs, ys], dtype=torch.float32).T.contiguous()
    except (json.JSONDecodeError, TypeError, ValueError):
        raise DataError(f"{path}: malformed joints of {row['name']!r}") from None
    if points.shape != (_NUM_JOINTS, 2):
        raise DataError(f"{path}: expected {_NUM_JOINTS} joints of {row['name']!r}, got {len(points)}")
    return points, (points != _MISSING).all(dim=1).float()
