"""What is timed: each op at 64 x 256 x 256 features or at 1080 x 1920 pictures, beside its torch equivalent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from kernels.bench.scene import person_scene
from kernels.bench.timing import Case
from kernels.blend_warp import blend_warp
from kernels.composite_layers import composite_layers
from kernels.local_attention import local_attention
from kernels.pose_maps import pose_maps
from kernels.rasterize_prior import rasterize_prior
from kernels.splat import splat
from kernels.temporal_blend import temporal_blend
from kernels.warp import warp

__all__ = ["CASES", "build_cases"]

_NUM_PARTS = 16
_SIZE = 3


class _Bench:
    """Inputs of one run, all from one seed."""

    def __init__(self, device: torch.device, scale: float) -> None:
        self.device = device
        side = max(int(256 * scale), 8)
        self.features_hw = (side, side)
        self.picture_hw = (max(int(1080 * scale), 8), max(int(1920 * scale), 8))
        self._generator = torch.Generator().manual_seed(0)

    def random(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self._generator).to(self.device)

    def features(self) -> tuple[Tensor, Tensor]:
        """64 channels: contiguous, and channels-last."""
        planes = self.random(1, 64, *self.features_hw)
        return planes, planes.contiguous(memory_format=torch.channels_last)

    def flow(self, size_hw: tuple[int, int], count: int = 1) -> Tensor:
        """Smooth motion of some pixels: (count, 2, H, W)."""
        coarse = self.random(count, 2, 12, 12) * 6.0
        return F.interpolate(coarse, size=size_hw, mode="bicubic", align_corners=True).contiguous()

    def picture(self) -> Tensor:
        """(1, 3, H, W) bytes, channels last."""
        texels = torch.randint(0, 256, (1, *self.picture_hw, 3), dtype=torch.uint8, generator=self._generator)
        return texels.to(self.device).permute(0, 3, 1, 2)


def build_cases(names: Sequence[str], device: torch.device, scale: float) -> Iterator[Case]:
    """Make the named cases, one at a time."""
    for name in names:
        bench = _Bench(device, scale)
        bytes_moved, implementations = CASES[name](bench)
        yield Case(name, bytes_moved, implementations, device)


_Implementations = dict[str, Callable[[], object]]


def _nbytes(*tensors: Tensor) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _grid_of(flow: Tensor) -> Tensor:
    """The grid that makes `grid_sample` do what a flow says; not timed."""
    height, width = flow.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=flow.device), torch.arange(width, device=flow.device), indexing="ij"
    )
    size = torch.tensor([max(width - 1, 1), max(height - 1, 1)], device=flow.device)
    return (torch.stack([x, y], dim=-1) + flow.permute(0, 2, 3, 1)) * 2.0 / size - 1.0


def _grid_sample(features: Tensor, grid: Tensor, mode: str = "bilinear") -> Tensor:
    return F.grid_sample(features, grid, mode=mode, padding_mode="border", align_corners=True)


def _warp(bench: _Bench) -> tuple[int, _Implementations]:
    (planes, texels), flow = bench.features(), bench.flow(bench.features_hw)
    grid, target = _grid_of(flow), torch.empty_like(planes)
    return _nbytes(planes, planes, flow), {
        "ours, channels last": lambda: warp(texels, flow),
        "ours, contiguous": lambda: warp(planes, flow),
        "torch, channels last": lambda: _grid_sample(texels, grid),
        "torch, contiguous": lambda: _grid_sample(planes, grid),
        "plain copy": lambda: target.copy_(planes),
    }


def _warp_bicubic(bench: _Bench) -> tuple[int, _Implementations]:
    (planes, texels), flow = bench.features(), bench.flow(bench.features_hw)
    grid = _grid_of(flow)
    return _nbytes(planes, planes, flow), {
        "ours, channels last": lambda: warp(texels, flow, interpolation="bicubic"),
        "ours, contiguous": lambda: warp(planes, flow, interpolation="bicubic"),
        "torch, channels last": lambda: _grid_sample(texels, grid, "bicubic"),
        "torch, contiguous": lambda: _grid_sample(planes, grid, "bicubic"),
    }


def _warp_backward(bench: _Bench) -> tuple[int, _Implementations]:
    (planes, texels), flow = bench.features(), bench.flow(bench.features_hw)
    grid = _grid_of(flow)
    return _nbytes(planes, planes, planes, flow, flow), {
        "ours, channels last": _pulling(warp, texels, flow),
        "ours, contiguous": _pulling(warp, planes, flow),
        "torch, channels last": _pulling(_grid_sample, texels, grid),
        "torch, contiguous": _pulling(_grid_sample, planes, grid),
    }


def _pulling(op: Callable[..., Tensor], *inputs: Tensor) -> Callable[[], object]:
    """The backward pass alone, of all inputs."""
    leaves = [tensor.detach().clone(memory_format=torch.preserve_format).requires_grad_() for tensor in inputs]
    result = op(*leaves)
    above = torch.ones_like(result)
    return lambda: torch.autograd.grad(result, leaves, above, retain_graph=True)


def _warp_bytes(bench: _Bench) -> tuple[int, _Implementations]:
    picture, flow = bench.picture(), bench.flow(bench.picture_hw)
    implementations: _Implementations = {
        "ours, channels last": lambda: warp(picture, flow),
        "torch, via float": lambda: _grid_sample(picture.float(), _grid_of(flow)).add(0.5).byte(),
    }
    if bench.device.type == "cpu":
        implementations |= _remap(picture, flow)
    return _nbytes(picture, picture, flow), implementations


def _remap(picture: Tensor, flow: Tensor) -> _Implementations:
    """OpenCV's remap, where it is installed, with the maps made beforehand and as many threads."""
    try:
        import cv2
    except ImportError:
        return {}
    cv2.setNumThreads(torch.get_num_threads())
    height, width = flow.shape[2:]
    x = (torch.arange(width) + flow[0, 0]).numpy()
    y = (torch.arange(height)[:, None] + flow[0, 1]).numpy()
    image = picture[0].permute(1, 2, 0).numpy()
    return {"cv2.remap": lambda: cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)}


def _blended(features: Tensor, grids: list[Tensor], weights: Tensor) -> Tensor:
    result = torch.zeros_like(features)
    for k, grid in enumerate(grids):
        result += _grid_sample(features, grid) * weights[:, k, None]
    return result


def _blend_inputs(bench: _Bench) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    planes, texels = bench.features()
    flows = bench.flow(bench.features_hw, _NUM_PARTS)[None]
    return planes, texels, flows, bench.random(1, _NUM_PARTS, *bench.features_hw).softmax(dim=1)


def _blend(bench: _Bench) -> tuple[int, _Implementations]:
    planes, texels, flows, weights = _blend_inputs(bench)
    grids = [_grid_of(flows[:, k]) for k in range(_NUM_PARTS)]
    return _nbytes(planes, planes, flows, weights), {
        "ours, channels last": lambda: blend_warp(texels, flows, weights),
        "torch, channels last": lambda: _blended(texels, grids, weights),
        "torch, contiguous": lambda: _blended(planes, grids, weights),
    }


def _blend_backward(bench: _Bench) -> tuple[int, _Implementations]:
    planes, texels, flows, weights = _blend_inputs(bench)
    grids = [_grid_of(flows[:, k]) for k in range(_NUM_PARTS)]

    def composed(features: Tensor, weights: Tensor, *grids: Tensor) -> Tensor:
        return _blended(features, list(grids), weights)

    return _nbytes(planes, planes, planes, flows, flows, weights, weights), {
        "ours, channels last": _pulling(blend_warp, texels, flows, weights),
        "torch, channels last": _pulling(composed, texels, weights, *grids),
        "torch, contiguous": _pulling(composed, planes, weights, *grids),
    }


def _attended(features: Tensor, grid: Tensor, logits: Tensor) -> Tensor:
    height, width = features.shape[2:]
    weights, result = logits.softmax(dim=1), torch.zeros_like(features)
    for i in range(_SIZE):
        for j in range(_SIZE):
            step = torch.tensor([(j - 1) * 2.0 / (width - 1), (i - 1) * 2.0 / (height - 1)], device=grid.device)
            result = result + _grid_sample(features, grid + step) * weights[:, i * _SIZE + j, None]
    return result


def _attention(bench: _Bench) -> tuple[int, _Implementations]:
    (planes, texels), flow = bench.features(), bench.flow(bench.features_hw)
    grid, logits = _grid_of(flow), bench.random(1, _SIZE * _SIZE, *bench.features_hw)
    return _nbytes(planes, planes, flow, logits), {
        "ours, channels last": lambda: local_attention(texels, flow, logits),
        "torch, channels last": lambda: _attended(texels, grid, logits),
        "torch, contiguous": lambda: _attended(planes, grid, logits),
    }


def _attention_backward(bench: _Bench) -> tuple[int, _Implementations]:
    (planes, texels), flow = bench.features(), bench.flow(bench.features_hw)
    grid, logits = _grid_of(flow), bench.random(1, _SIZE * _SIZE, *bench.features_hw)
    return _nbytes(planes, planes, planes, flow, flow, logits, logits), {
        "ours, channels last": _pulling(local_attention, texels, flow, logits),
        "torch, channels last": _pulling(_attended, texels, grid, logits),
        "torch, contiguous": _pulling(_attended, planes, grid, logits),
    }


def _splat(bench: _Bench) -> tuple[int, _Implementations]:
    (planes, texels), flow = bench.features(), bench.flow(bench.features_hw)
    importance = bench.random(1, 1, *bench.features_hw)
    return _nbytes(planes, planes, flow, importance, importance), {
        "ours, channels last": lambda: splat(texels, flow, importance),
        "ours, contiguous": lambda: splat(planes, flow, importance),
        "torch, scatter_add": lambda: splat(planes, flow, importance, backend="reference"),
    }


def _splat_backward(bench: _Bench) -> tuple[int, _Implementations]:
    (planes, texels), flow = bench.features(), bench.flow(bench.features_hw)
    importance = bench.random(1, 1, *bench.features_hw)
    return _nbytes(planes, planes, planes, flow, flow, importance, importance), {
        "ours, channels last": _pulling(lambda a, b, c: splat(a, b, c).values, texels, flow, importance),
        "torch, scatter_add": _pulling(
            lambda a, b, c: splat(a, b, c, backend="reference").values, planes, flow, importance
        ),
    }


def _pose_maps(bench: _Bench) -> tuple[int, _Implementations]:
    keypoints = bench.random(4, 33, 2).sigmoid() * bench.features_hw[0]
    confidence = bench.random(4, 33).sigmoid()
    size_hw = bench.features_hw
    return 4 * 33 * size_hw[0] * size_hw[1] * 4, {
        "ours": lambda: pose_maps(keypoints, confidence, size_hw=size_hw, sigma_px=6.0),
        "torch": lambda: pose_maps(keypoints, confidence, size_hw=size_hw, sigma_px=6.0, backend="reference"),
    }


def _temporal_blend(bench: _Bench) -> tuple[int, _Implementations]:
    current, previous, flow = bench.picture(), bench.picture(), bench.flow(bench.picture_hw)

    def composed() -> Tensor:
        now = current.float()
        change = _grid_sample(previous.float(), _grid_of(flow)) - now
        weight = 0.5 * torch.exp(-(change / 255.0).square().mean(dim=1, keepdim=True) / 0.05**2)
        return (now + weight * change).add(0.5).byte()

    return _nbytes(current, previous, current, flow), {
        "ours, channels last": lambda: temporal_blend(current, previous, flow),
        "torch, via float": composed,
    }


def _rasterize(bench: _Bench) -> tuple[int, _Implementations]:
    scene = person_scene(bench.picture_hw, bench.device)
    height, width = bench.picture_hw
    # Two peels of flow, layer, part and depth, and the visibility.
    return height * width * (2 * (8 + 1 + 1 + 4) + 4), {
        "ours": lambda: rasterize_prior(*scene.mesh, size_hw=bench.picture_hw),
    }


def _composite(bench: _Bench) -> tuple[int, _Implementations]:
    scene = person_scene(bench.picture_hw, bench.device)
    raster = rasterize_prior(*scene.mesh, size_hw=bench.picture_hw)
    background = bench.picture().permute(0, 2, 3, 1)
    touched = int((raster.layer >= 0).sum())
    return _nbytes(background, background, raster.layer) + touched * 12, {
        "ours, bicubic": lambda: composite_layers(scene.textures, raster, background),
        "ours, bilinear": lambda: composite_layers(scene.textures, raster, background, interpolation="bilinear"),
        "torch": lambda: composite_layers(scene.textures, raster, background, backend="reference"),
    }


CASES: dict[str, Callable[[_Bench], tuple[int, _Implementations]]] = {
    "warp": _warp,
    "warp_bicubic": _warp_bicubic,
    "warp_backward": _warp_backward,
    "warp_1080p_bytes": _warp_bytes,
    "blend_warp_16": _blend,
    "blend_warp_16_backward": _blend_backward,
    "local_attention_3x3": _attention,
    "local_attention_backward": _attention_backward,
    "splat": _splat,
    "splat_backward": _splat_backward,
    "pose_maps": _pose_maps,
    "temporal_blend_1080p": _temporal_blend,
    "rasterize_prior_1080p": _rasterize,
    "composite_layers_1080p": _composite,
}
"""The cases by name, in the order of the table."""
