"""The default estimator: BlazePose "full" from MediaPipe's wheel, driven region by region.

MediaPipe's own pose solution finds one person per picture, tracks it by itself and smooths causally, which lags. The
wheel carries the sub-graphs that the solution is made of, so they are run apart here: the detector returns everybody it
sees, and the landmark model reads exactly the region it is given, without filter or memory. This is the only module
that imports MediaPipe, and it does so inside functions.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import cv2
import numpy as np

from drn_core.skeleton import NUM_JOINTS
from retarget.config import PoseConfig
from retarget.pose.estimator import Detection, Region, person_box, size_of
from retarget.records import FloatArray, Pose, UInt8Array

__all__ = ["MediaPipeEstimator"]

_MODEL_COMPLEXITY: Final = 1
_REGION_SCALE: Final = 1.25
"""Side of a region against the diameter of the circle that the model draws around a person, as in BlazePose."""
_CROP_SIDE_PX: Final = 384
"""A region is shrunk to this side before the 256-px model sees it: halves the model's aliasing, bounds the cost."""
_CROP_MARGIN: Final = 1.05
"""Side of the crop against the upright box of the turned region."""
_AREA_BELOW: Final = 0.6
"""Scale under which shrinking averages over areas; above it interpolation will do, at a third of the time."""
_DETECTOR_SIDE_PX: Final = 448
_SETTINGS_REVISION: Final = 1

_DETECTOR_GRAPH: Final = """
input_stream: "image"
output_stream: "detections"
node {
  calculator: "PoseDetectionCpu"
  input_stream: "IMAGE:image"
  output_stream: "DETECTIONS:detections"
}
"""
_LANDMARK_GRAPH: Final = """
input_stream: "image"
input_stream: "region"
input_side_packet: "complexity"
input_side_packet: "with_mask"
output_stream: "landmarks"
output_stream: "alignment"
output_stream: "world"
output_stream: "mask"
node {
  calculator: "PoseLandmarkByRoiCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:region"
  input_side_packet: "MODEL_COMPLEXITY:complexity"
  input_side_packet: "ENABLE_SEGMENTATION:with_mask"
  output_stream: "LANDMARKS:landmarks"
  output_stream: "AUXILIARY_LANDMARKS:alignment"
  output_stream: "WORLD_LANDMARKS:world"
  output_stream: "SEGMENTATION_MASK:mask"
}
"""


class MediaPipeEstimator:
    """BlazePose "full" behind the `PoseEstimator` protocol; also reads hands and face mesh where asked to.

    Use as a context manager, or call `close`. Not safe to share between threads.

    Args:
        config: which of hands and face to read.
    """

    def __init__(self, config: PoseConfig | None = None) -> None:
        self._config = config or PoseConfig()
        self._version = _version_text(self._config)
        with _quiet_stderr():
            self._detector = _Graph(_DETECTOR_GRAPH, outputs={"detections": _read_protos})
            self._readers = {False: _landmark_graph(with_mask=False)}
            blank = np.zeros((64, 64, 3), np.uint8)
            # The first pictures load the models, which is when the libraries below print to stderr.
            self.find_regions(blank)
            self.estimate(blank, Region((32.0, 32.0), 64.0))

    def __enter__(self) -> MediaPipeEstimator:
        """Return the estimator itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the models."""
        self.close()

    @property
    def version(self) -> str:
        """Name and version of the model and of its settings; part of cache keys."""
        return self._version

    def find_regions(self, rgb: UInt8Array) -> list[Region]:
        """Return where people may be, best first.

        The detector works on 224 x 224 pixels: people smaller than a tenth of the longer side escape it.

        Args:
            rgb: (H, W, 3) uint8 sRGB.
        """
        height, width = rgb.shape[:2]
        scale = min(1.0, _DETECTOR_SIDE_PX / max(height, width))
        small = rgb if scale == 1.0 else cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        detections = self._detector.run({"image": _image_packet(small)}).get("detections", [])
        return [_region_of_detection(detection, (height, width)) for detection in detections]

    def estimate(self, rgb: UInt8Array, region: Region, *, with_mask: bool = False) -> Detection | None:
        """Read the skeleton of the person in `region`.

        Args:
            rgb: (H, W, 3) uint8 sRGB.
            region: where the person is expected.
            with_mask: also return the person's mask at the picture's size.

        Returns:
            The person, or None where the model recognises nobody there. The confidence of a joint is the model's
            visibility; joints may lie outside the picture.
        """
        crop = _Crop.around(rgb, region)
        if crop is None:
            return None
        if with_mask not in self._readers:
            with _quiet_stderr():
                self._readers[with_mask] = _landmark_graph(with_mask)
                self.estimate(np.zeros((64, 64, 3), np.uint8), Region((32.0, 32.0), 64.0), with_mask=with_mask)
        found = self._readers[with_mask].run({"image": _image_packet(crop.rgb), "region": crop.region_packet(region)})
        if "landmarks" not in found:
            return None
        return _detection(found, crop, size_of(rgb))

    def close(self) -> None:
        """Free the models."""
        for graph in (self._detector, *self._readers.values()):
            graph.close()


class _Graph:
    """One MediaPipe graph, called like a function.

    Args:
        text: the graph in protobuf text form.
        outputs: reader of the packet of each output stream.
        side_packets: side packets by name.
    """

    def __init__(
        self, text: str, *, outputs: Mapping[str, Callable[[Any], Any]], side_packets: Mapping[str, Any] | None = None
    ) -> None:
        import mediapipe
        from google.protobuf import text_format
        from mediapipe.framework import calculator_pb2
        from mediapipe.python._framework_bindings import calculator_graph, resource_util

        resource_util.set_resource_dir(str(Path(mediapipe.__file__).parent.parent))
        config = text_format.Parse(text, calculator_pb2.CalculatorGraphConfig())
        self._graph = calculator_graph.CalculatorGraph(graph_config=config)
        self._found: dict[str, Any] = {}
        self._tick = 0
        for name, read in outputs.items():
            self._graph.observe_output_stream(name, self._collector(read))
        self._graph.start_run(dict(side_packets or {}))

    def _collector(self, read: Callable[[Any], Any]) -> Callable[[str, Any], None]:
        def collect(name: str, packet: Any) -> None:
            self._found[name] = read(packet)

        return collect

    def run(self, packets: Mapping[str, Any]) -> dict[str, Any]:
        """Send one packet into every input stream; return what came out, by output stream."""
        self._found.clear()
        self._tick += 1
        for name, packet in packets.items():
            self._graph.add_packet_to_input_stream(name, packet.at(self._tick))
        self._graph.wait_until_idle()
        return dict(self._found)

    def close(self) -> None:
        """Free the models."""
        self._graph.close()


class _Crop:
    """A shrunk upright cut of a picture around a region, and the way back to the picture."""

    def __init__(self, rgb: UInt8Array, origin_xy: tuple[int, int], cut_hw: tuple[int, int]) -> None:
        self.rgb = rgb
        self._origin = np.array(origin_xy, np.float64)
        self._cut_wh = np.array(cut_hw[::-1], np.float64)
        self._cut_hw = cut_hw

    @classmethod
    def around(cls, rgb: UInt8Array, region: Region) -> _Crop | None:
        """Cut the picture; None where the region lies outside of it."""
        height, width = rgb.shape[:2]
        turn = abs(math.cos(region.rotation)) + abs(math.sin(region.rotation))
        reach = _CROP_MARGIN * turn * region.size_px / 2
        left, right = (int(np.clip(region.center_xy[0] + side, 0, width)) for side in (-reach, reach + 1))
        top, bottom = (int(np.clip(region.center_xy[1] + side, 0, height)) for side in (-reach, reach + 1))
        if right - left < 8 or bottom - top < 8:
            return None
        cut = rgb[top:bottom, left:right]
        scale = _CROP_SIDE_PX / region.size_px
        if scale < 1.0:
            size = (max(8, round((right - left) * scale)), max(8, round((bottom - top) * scale)))
            cut = cv2.resize(cut, size, interpolation=cv2.INTER_AREA if scale < _AREA_BELOW else cv2.INTER_LINEAR)
        return cls(np.ascontiguousarray(cut), (left, top), (bottom - top, right - left))

    def region_packet(self, region: Region) -> Any:
        """Return the region in shares of the crop, as the graph takes it."""
        from mediapipe.framework.formats import rect_pb2
        from mediapipe.python import packet_creator

        # Pixel centres are integers here, and half-integers in MediaPipe.
        center = (np.array(region.center_xy) + 0.5 - self._origin) / self._cut_wh
        size = region.size_px / self._cut_wh
        return packet_creator.create_proto(
            rect_pb2.NormalizedRect(
                x_center=center[0], y_center=center[1], width=size[0], height=size[1], rotation=region.rotation
            )
        )

    def to_picture(self, landmarks: Any) -> FloatArray:
        """Return (N, 4) float32: x, y, depth in pixels of the picture, visibility."""
        rows = np.array([(mark.x, mark.y, mark.z, mark.visibility) for mark in landmarks.landmark], np.float64)
        rows[:, :2] = rows[:, :2] * self._cut_wh + self._origin - 0.5
        rows[:, 2] *= self._cut_wh[0]
        return rows.astype(np.float32)

    def mask_to_picture(self, mask: FloatArray, size_hw: tuple[int, int]) -> FloatArray:
        """Put the mask of the crop back into an empty mask of the picture's size."""
        height, width = self._cut_hw
        left, top = self._origin.astype(int)
        whole = np.zeros(size_hw, np.float32)
        grown = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
        whole[top : top + height, left : left + width] = np.clip(grown, 0, 1)
        return whole


def _detection(found: Mapping[str, Any], crop: _Crop, size_hw: tuple[int, int]) -> Detection:
    rows = crop.to_picture(found["landmarks"])
    world = np.array([(mark.x, mark.y, mark.z) for mark in found["world"].landmark], np.float32)
    keypoints, confidence = np.ascontiguousarray(rows[:NUM_JOINTS, :2]), np.clip(rows[:NUM_JOINTS, 3], 0, 1)
    pose = Pose(
        keypoints=keypoints,
        confidence=confidence,
        depth=np.ascontiguousarray(rows[:NUM_JOINTS, 2]),
        world=world[:NUM_JOINTS],
        size_hw=size_hw,
    )
    center, top = crop.to_picture(found["alignment"])[:2, :2].astype(np.float64)
    return Detection(
        pose=pose,
        box=person_box(keypoints, confidence, size_hw),
        region=_region_of_circle(center, top, score=1.0),
        mask=crop.mask_to_picture(found["mask"], size_hw) if "mask" in found else None,
    )


def _region_of_detection(detection: Any, size_hw: tuple[int, int]) -> Region:
    points = detection.location_data.relative_keypoints
    wh = np.array(size_hw[::-1], np.float64)
    center, top = (np.array((points[index].x, points[index].y)) * wh - 0.5 for index in (0, 1))
    return _region_of_circle(center, top, score=float(detection.score[0]))


def _region_of_circle(
    center: np.ndarray[Any, np.dtype[np.float64]], top: np.ndarray[Any, np.dtype[np.float64]], *, score: float
) -> Region:
    """BlazePose describes a person by the middle of the hips and the top of a circle around the whole body."""
    arm = top - center
    return Region(
        center_xy=(float(center[0]), float(center[1])),
        size_px=2 * _REGION_SCALE * float(np.hypot(*arm)),
        rotation=math.atan2(arm[0], -arm[1]),
        score=score,
    )


def _landmark_graph(with_mask: bool) -> _Graph:
    from mediapipe.python import packet_creator

    outputs: dict[str, Callable[[Any], Any]] = {name: _read_proto for name in ("landmarks", "alignment", "world")}
    if with_mask:
        outputs["mask"] = _read_mask
    side_packets = {
        "complexity": packet_creator.create_int(_MODEL_COMPLEXITY),
        "with_mask": packet_creator.create_bool(with_mask),
    }
    return _Graph(_LANDMARK_GRAPH, outputs=outputs, side_packets=side_packets)


def _image_packet(rgb: UInt8Array) -> Any:
    import mediapipe
    from mediapipe.python import packet_creator

    return packet_creator.create_image_frame(np.ascontiguousarray(rgb), image_format=mediapipe.ImageFormat.SRGB)


def _read_proto(packet: Any) -> Any:
    from mediapipe.python import packet_getter

    return packet_getter.get_proto(packet)


def _read_protos(packet: Any) -> Any:
    from mediapipe.python import packet_getter

    return packet_getter.get_proto_list(packet)


def _read_mask(packet: Any) -> FloatArray:
    from mediapipe.python import packet_getter

    return np.array(packet_getter.get_image(packet).numpy_view(), np.float32).squeeze()


def _version_text(config: PoseConfig) -> str:
    import mediapipe

    levels = "+hands" * config.hands + "+face" * config.face
    return f"mediapipe-{mediapipe.__version__}-blazepose-full-r{_SETTINGS_REVISION}{levels}"


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Send the process's stderr to nowhere: MediaPipe's native libraries greet there and can't be told not to."""
    try:
        saved = os.dup(2)
    except OSError:  # stderr is closed: nothing to silence
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(nowhere)
        os.close(saved)
