"""Networks behind some metrics: found on this machine, never downloaded unasked; what is missing says how to get it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from drn_core.evaluation.images import Image
from drn_core.evaluation.protocol import Protocol
from drn_core.evaluation.report import Missing
from retarget.errors import ModelError

__all__ = ["InceptionNetwork", "LpipsNetwork", "Networks", "RetrievalNetwork", "find_networks", "missing_metrics"]

_ALEXNET = "alexnet-owt-7be5be79.pth"
_INCEPTION = "weights-inception-2015-12-05-6726825d.pth"
_RESNET = "resnet50-11ad3fa6.pth"
_LPIPS_MIN_SIDE = 64

_INSTALL = "pip install 'retarget[eval]'"
_NEEDS = {
    "skimage": ("the package scikit-image", _INSTALL),
    "dlib": ("the packages dlib-bin and face_recognition_models", _INSTALL),
    "alexnet": (
        f"torchmetrics and AlexNet's ImageNet weights ({_ALEXNET})",
        f"{_INSTALL} && python -c \"import torchvision; torchvision.models.alexnet(weights='DEFAULT')\"",
    ),
    "inception": (
        f"torch-fidelity and its Inception weights ({_INCEPTION})",
        f'{_INSTALL} && python -c "from torchmetrics.image.fid import FrechetInceptionDistance as fid; fid()"',
    ),
    "retriever": (
        f"weights of a ResNet-50 (--retriever FILE, or ImageNet's {_RESNET})",
        "python -c \"import torchvision; torchvision.models.resnet50(weights='IMAGENET1K_V2')\"",
    ),
}
"""Per need of a metric: what it is, and the command that gets it."""


def _to_tensor(images: list[Image]) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)))


class LpipsNetwork:
    """LPIPS with AlexNet, as torchmetrics has it."""

    def __init__(self) -> None:
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        self._metric: Any = LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True)

    def distance(self, first: Image, second: Image) -> float | None:
        """Return the distance of two images of one size.

        Args:
            first: (H, W, 3) uint8 RGB.
            second: the same shape.

        Returns:
            0 for identical images; None below 64 pixels a side, where AlexNet has nothing to look at.
        """
        import torch

        if min(first.shape[:2]) < _LPIPS_MIN_SIDE:
            return None
        with torch.inference_mode():
            pair = _to_tensor([first, second]).float() / 255
            self._metric.reset()
            return float(self._metric(pair[:1], pair[1:]))


class InceptionNetwork:
    """The TensorFlow Inception of the FID and IS literature, as torch-fidelity ports it."""

    num_features = 2048

    def __init__(self, weights: Path) -> None:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        self._network: Any = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights)
        )

    def features(self, image: Image) -> tuple[Any, Any]:
        """Return pool3 features (1, 2048) and logits (1, 1008) of one image.

        Args:
            image: (H, W, 3) uint8 RGB; resized to 299 by the network's own rule.
        """
        import torch

        with torch.inference_mode():
            pool3, logits = self._network(_to_tensor([image]))
        return pool3, logits


class RetrievalNetwork:
    """ResNet-50 without its classifier; inputs as in ImageNet training.

    Args:
        weights: state dict of a torchvision ResNet-50, also under a "backbone." prefix; the classifier is not used.

    Raises:
        ModelError: the file is not such a state dict.
    """

    def __init__(self, weights: Path) -> None:
        import torch
        import torchvision

        self._network: Any = torchvision.models.resnet50(weights=None)
        self._network.fc = torch.nn.Identity()
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            state = state.get("state_dict", state)
            state = {key.removeprefix("backbone."): value for key, value in state.items()}
            own = self._network.state_dict()
            self._network.load_state_dict({key: state[key] for key in own})
        except Exception as error:  # torch.load raises a dozen types for foreign files
            raise ModelError(f"{weights}: not the weights of a ResNet-50: {error}") from error
        self._network.eval()

    def features(self, image: Image) -> npt.NDArray[np.float32]:
        """Return the (2048,) features of one image, resized to 224 x 224.

        Args:
            image: (H, W, 3) uint8 RGB.
        """
        import cv2
        import torch

        small = cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA)
        mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        with torch.inference_mode():
            batch = (_to_tensor([small]).float() / 255 - mean[:, None, None]) / deviation[:, None, None]
            return np.asarray(self._network(batch)[0].numpy(), np.float32)


@dataclass(frozen=True)
class Networks:
    """What this machine has; None where it is missing.

    Attributes:
        lpips: makes the LPIPS network.
        inception: makes the Inception network.
        retriever: makes the retrieval network.
        has_dlib: whether faces can be described.
    """

    lpips: Callable[[], LpipsNetwork] | None
    inception: Callable[[], InceptionNetwork] | None
    retriever: Callable[[], RetrievalNetwork] | None
    has_dlib: bool

    def has(self, need: str) -> bool:
        """Tell whether a need of `Metric.needs` is met.

        Args:
            need: "", "dlib", "alexnet", "inception" or "retriever".
        """
        found = {
            "": True,
            "skimage": _is_installed("skimage"),
            "dlib": self.has_dlib,
            "alexnet": self.lpips is not None,
            "inception": self.inception is not None,
            "retriever": self.retriever is not None,
        }
        return found[need]


def _is_installed(*packages: str) -> bool:
    return all(importlib.util.find_spec(package) is not None for package in packages)


def find_networks(retriever: Path | None = None) -> Networks:
    """Look for packages and weights on this machine; loads and downloads nothing.

    Args:
        retriever: weights of the retrieval network; None looks for ImageNet's in torch's cache.

    Raises:
        ModelError: the named file does not exist.
    """
    import torch

    kept = Path(torch.hub.get_dir()) / "checkpoints"
    if retriever is not None and not retriever.is_file():
        raise ModelError(f"{retriever}: no such file", hint="--retriever wants the weights of a ResNet-50")
    retriever = retriever or (kept / _RESNET if (kept / _RESNET).is_file() else None)
    has_lpips = _is_installed("torchmetrics", "torchvision") and (kept / _ALEXNET).is_file()
    has_inception = _is_installed("torchmetrics", "torch_fidelity") and (kept / _INCEPTION).is_file()
    return Networks(
        lpips=LpipsNetwork if has_lpips else None,
        inception=(lambda: InceptionNetwork(kept / _INCEPTION)) if has_inception else None,
        retriever=None if retriever is None else (lambda: RetrievalNetwork(retriever)),
        has_dlib=_is_installed("dlib", "face_recognition_models"),
    )


def missing_metrics(protocol: Protocol, networks: Networks) -> list[Missing]:
    """List the metrics of a protocol that can't be computed here.

    Args:
        protocol: what is wanted.
        networks: what there is.
    """
    return [
        Missing(metric.name, *_NEEDS[metric.needs]) for metric in protocol.metrics if not networks.has(metric.needs)
    ]
