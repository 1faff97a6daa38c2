"""Packs: groups of training samples in one safetensors file each, compressed, read by the sample."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from drn_core.atomic import replace_file
from drn_core.data.augment import augmented
from drn_core.data.records import TrainingBatch, collate
from drn_core.errors import DataError
from drn_core.model.records import DriverInput, DRNInput, SourceInput
from drn_core.pictures import picture_tensor

__all__ = ["PACK_SUFFIX", "PackDataset", "read_pack_header", "write_pack"]

PACK_SUFFIX: Final = ".pack.safetensors"
_FORMAT: Final = "drn-pack-1"
_JPEG_QUALITY: Final = 95
# Flows are stored at half the size in float16: they are piecewise smooth, and half a pixel of 256 is their noise.
_FLOW_STRIDE: Final = 2


def write_pack(path: Path, samples: list[TrainingBatch], *, origin: str, rate_hz: float | None = None) -> None:
    """Write the samples of one photo.

    Args:
        path: file to write, ending in `PACK_SUFFIX`.
        samples: frames of one photo, each a batch of one, with prior, background and mask.
        origin: where they come from, in words.
        rate_hz: frames per second if they are successive frames of a clip, else None.

    Raises:
        OSError: the disk is full or the folder can't be written.
        DataError: a sample has no prior, background or mask.
    """
    first = samples[0].inputs
    tensors: dict[str, Tensor] = {
        "source.image": _encoded_picture(first.source.image),
        "source.keypoints": first.source.keypoints.contiguous(),
        "source.confidence": first.source.confidence.contiguous(),
        "background": _encoded_picture(_present(first.driver.background, "background")),
    }
    for index, sample in enumerate(samples):
        tensors |= {f"{index}.{name}": tensor for name, tensor in _frame_tensors(sample).items()}
    height, width = samples[0].target.shape[-2:]
    metadata = {
        "format": _FORMAT,
        "frames": str(len(samples)),
        "size_hw": json.dumps([height, width]),
        "origin": origin,
        "rate_hz": json.dumps(rate_hz),
    }

    def write(temporary: Path) -> None:
        try:
            save_file(tensors, temporary, metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from None

    replace_file(path, write)


def read_pack_header(path: Path) -> dict[str, Any]:
    """Read what a pack says of itself: frames, size_hw, origin, rate_hz.

    Raises:
        DataError: the file is no readable pack.
    """
    try:
        with safe_open(path, framework="pt") as reader:
            metadata = reader.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path}: is no readable pack ({error})") from None
    if metadata.get("format") != _FORMAT:
        raise DataError(f"{path}: is no pack of this version")
    return {
        "frames": int(metadata["frames"]),
        "size_hw": tuple(json.loads(metadata["size_hw"])),
        "origin": metadata["origin"],
        "rate_hz": json.loads(metadata["rate_hz"]),
    }


class PackDataset:
    """Samples of all packs in some folders; unreadable packs are left out and listed.

    Args:
        folders: searched for packs, not below.
        consecutive: frames per sample, successive ones of a clip; 1 takes every frame alone.
        augment: random tone and flips.
        holdout: every n-th pack is kept for validation; 0 keeps none.
        is_validation: deliver the kept ones instead of the others.

    Raises:
        DataError: there is no readable pack, or sizes differ.
    """

    def __init__(
        self,
        folders: list[Path],
        *,
        consecutive: int = 1,
        augment: bool = True,
        holdout: int = 0,
        is_validation: bool = False,
    ) -> None:
        self.consecutive, self.augment = consecutive, augment
        self.unreadable: list[str] = []
        self._items: list[tuple[Path, int]] = []
        sizes = set()
        paths = sorted(path for folder in folders for path in folder.glob(f"*{PACK_SUFFIX}"))
        for number, path in enumerate(paths):
            if holdout and (number % holdout == holdout - 1) != is_validation:
                continue
            try:
                header = read_pack_header(path)
            except DataError as error:
                self.unreadable.append(str(error))
                continue
            sizes.add(header["size_hw"])
            step = consecutive if consecutive > 1 else 1
            self._items += [(path, start) for start in range(0, header["frames"] - consecutive + 1, step)]
        if not self._items:
            raise DataError(f"no readable packs in {', '.join(map(str, folders))}")
        if len(sizes) > 1:
            raise DataError(f"packs of different sizes: {sorted(sizes)}")

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._items)

    def sample(self, index: int, *, seed: int) -> TrainingBatch:
        """Return one sample (a batch of `consecutive` frames), augmented by `seed`.

        Raises:
            DataError: the pack has become unreadable.
        """
        path, start = self._items[index]
        try:
            with safe_open(path, framework="pt") as reader:
                frames = [_read_frame(reader, start + offset) for offset in range(self.consecutive)]
        except (SafetensorError, OSError, ValueError, zlib.error) as error:
            raise DataError(f"{path}: frame {start} can't be read ({error})") from None
        batch = replace(collate(frames), consecutive=self.consecutive)
        return augmented(batch, seed) if self.augment else batch


def _present(tensor: Tensor | None, name: str) -> Tensor:
    if tensor is None:
        raise DataError(f"a sample of a pack needs {name}")
    return tensor


def _frame_tensors(sample: TrainingBatch) -> dict[str, Tensor]:
    driver = sample.inputs.driver
    visibility = sample.target_visibility
    maps = [_present(driver.prior_visibility, "prior_visibility"), _present(sample.target_mask, "target_mask")]
    maps.append(torch.zeros_like(maps[0]) if visibility is None else visibility)
    tensors = {
        "target": _encoded_picture(sample.target),
        "prior_image": _encoded_picture(_present(driver.prior_image, "prior_image")),
        "prior_flow": _encoded_flow(_present(driver.prior_flow, "prior_flow"), maps[0]),
        "maps": _encoded_maps(torch.cat(maps, dim=1)),
        "keypoints": driver.keypoints.contiguous(),
        "confidence": driver.confidence.contiguous(),
        "depth": driver.depth.contiguous(),
    }
    if sample.target_flow is not None and visibility is not None:
        tensors["target_flow"] = _encoded_flow(sample.target_flow, visibility)
    return tensors


def _read_frame(reader: Any, index: int) -> TrainingBatch:
    def get(name: str) -> Tensor:
        tensor: Tensor = reader.get_tensor(f"{index}.{name}")
        return tensor

    target = _decoded_picture(get("target"))
    size_hw = (target.shape[-2], target.shape[-1])
    prior_visibility, target_mask, target_visibility = _decoded_maps(get("maps")).split(1, dim=1)  # type: ignore[no-untyped-call]
    has_truth = f"{index}.target_flow" in reader.keys()  # noqa: SIM118 - the reader is no mapping
    driver = DriverInput(
        keypoints=get("keypoints"),
        confidence=get("confidence"),
        depth=get("depth"),
        prior_image=_decoded_picture(get("prior_image")),
        prior_flow=_decoded_flow(get("prior_flow"), size_hw),
        prior_visibility=prior_visibility,
        background=_decoded_picture(reader.get_tensor("background")),
    )
    source = SourceInput(
        image=_decoded_picture(reader.get_tensor("source.image")),
        keypoints=reader.get_tensor("source.keypoints"),
        confidence=reader.get_tensor("source.confidence"),
    )
    return TrainingBatch(
        inputs=DRNInput(source, driver),
        target=target,
        target_mask=target_mask,
        # Frames of real clips: a visibility of 0 takes them out of the terms that need the true flow.
        target_flow=_decoded_flow(get("target_flow"), size_hw) if has_truth else target.new_zeros(1, 2, *size_hw),
        target_visibility=target_visibility,
    )


def _bytes_of(picture: Tensor) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray((picture[0].permute(1, 2, 0).clamp(0, 1) * 255).round().to(torch.uint8).numpy())


def _encoded(extension: str, picture: npt.NDArray[np.uint8], options: list[int]) -> Tensor:
    is_written, data = cv2.imencode(extension, picture, options)
    if not is_written:
        raise DataError(f"a picture can't be encoded as {extension}")
    return torch.from_numpy(np.asarray(data, np.uint8))


def _encoded_picture(picture: Tensor) -> Tensor:
    # 4:4:4 chroma: coloured edges are what the network learns to place.
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
    return _encoded(".jpg", _bytes_of(picture)[..., ::-1], options)


def _encoded_maps(maps: Tensor) -> Tensor:
    return _encoded(".png", _bytes_of(maps), [cv2.IMWRITE_PNG_COMPRESSION, 3])


def _decoded(data: Tensor) -> npt.NDArray[np.uint8]:
    picture = cv2.imdecode(data.numpy(), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError("a picture can't be decoded")
    return np.asarray(picture, np.uint8)


def _decoded_picture(data: Tensor) -> Tensor:
    return picture_tensor(_decoded(data)[..., ::-1])


def _decoded_maps(data: Tensor) -> Tensor:
    return torch.from_numpy(_decoded(data)).permute(2, 0, 1)[None].float() / 255


def _encoded_flow(flow: Tensor, weight: Tensor) -> Tensor:
    # The mean over what the flow is defined on; elsewhere 0, which compresses well.
    share = F.avg_pool2d(weight, _FLOW_STRIDE)
    mean = F.avg_pool2d(flow * weight, _FLOW_STRIDE) / share.clamp_min(1e-3)
    packed = zlib.compress(mean[0].half().numpy().tobytes(), level=3)
    return torch.frombuffer(bytearray(packed), dtype=torch.uint8)


def _decoded_flow(data: Tensor, size_hw: tuple[int, int]) -> Tensor:
    raw = np.frombuffer(zlib.decompress(data.numpy().tobytes()), np.float16)
    small = torch.from_numpy(raw.astype(np.float32)).view(1, 2, size_hw[0] // _FLOW_STRIDE, size_hw[1] // _FLOW_STRIDE)
    return F.interpolate(small, size_hw, mode="nearest")
