"""The default estimator: BlazePose "full" from MediaPipe's wheel, driven region by region.

MediaPipe's own pose solution finds one person per picture, tracks it by itself and smooths causally, which lags. The
wheel carries the sub-graphs that the solution is made of, so they are run apart here: the detector returns everybody it
sees, and the landmark model reads exactly the region it is given, without filter or memory. Only the modules of this
package named after MediaPipe import it, and they do so inside functions.
"""

from __future__ import annotations

import importlib.metadata
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from drn_core.skeleton import FACE_JOINTS, JOINT_INDEX, NUM_JOINTS
from retarget.config import PoseConfig
from retarget.pose.estimator import Detection, Region, person_box
from retarget.pose.mediapipe_graphs import DETECTOR_GRAPH, FACE_GRAPH, HANDS_GRAPH, LANDMARK_GRAPH
from retarget.pose.mediapipe_loading import load_mediapipe
from retarget.pose.region_crop import RegionCrop
from retarget.pose.shrinking import shrink
from retarget.quiet import quiet_stderr
from retarget.records import FloatArray, Pose, UInt8Array
from retarget.smoothing.trunk import torso_size_px

__all__ = ["MediaPipeEstimator", "estimator_version"]

_MODEL_COMPLEXITY: Final = 1
_REGION_SCALE: Final = 1.25
"""Side of a region against the diameter of the circle that the model draws around a person, as in BlazePose."""
_CROP_SIDE_PX: Final = 384
"""A region is shrunk to this side before the 256-px model sees it: halves the model's aliasing, bounds the cost."""
_DETAIL_SIDE_PX: Final = 1200
"""The same for hands and face, which are a tenth of a region: their models see 224 and 192 px."""
_DETECTOR_SIDE_PX: Final = 448
_SETTINGS_REVISION: Final = 3

_HAND_INPUTS: Final = {
    f"{side}_arm": tuple(JOINT_INDEX[f"{side}_{joint}"] for joint in ("wrist", "pinky", "index"))
    for side in ("left", "right")
}
_LEFT_WRIST: Final = JOINT_INDEX["left_wrist"]
_RIGHT_WRIST: Final = JOINT_INDEX["right_wrist"]
_HAND_POINTS: Final = 21
_FACE_POINTS: Final = 468
_HAND_REACH: Final = 0.5
"""Farthest distance of a hand from its arm's end, in trunk sizes."""


class MediaPipeEstimator:
    """BlazePose "full" behind the `PoseEstimator` protocol; also reads hands and face mesh where asked to.

    Use as a context manager, or call `close`. Not safe to share between threads.

    Args:
        config: which of hands and face to read.
    """

    def __init__(self, config: PoseConfig | None = None) -> None:
        self._config = config or PoseConfig()
        self._landmarks: _Graph | None = None
        # The first picture loads a model, which is when the libraries below print to stderr.
        with quiet_stderr():
            self._detector = _Graph(DETECTOR_GRAPH, outputs={"detections": _read_protos})
            self._detector.run({"image": _blank_packets()["image"]})
            self._details = None
            if self._config.hands or self._config.face:
                self._details = _Details(self._config)
                self._details.warm_up()

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
        return estimator_version(self._config)

    def find_regions(self, rgb: UInt8Array) -> list[Region]:
        """Return where people may be, best first.

        The detector works on 224 x 224 pixels: people smaller than a tenth of the longer side escape it.

        Args:
            rgb: (H, W, 3) uint8 sRGB.
        """
        height, width = rgb.shape[:2]
        scale = min(1.0, _DETECTOR_SIDE_PX / max(height, width))
        small = rgb if scale == 1.0 else shrink(rgb, (round(width * scale), round(height * scale)))
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
        crop = RegionCrop.around(rgb, region, region_side_px=_CROP_SIDE_PX)
        if crop is None:
            return None
        found = self._reader().run({"image": _image_packet(crop.rgb), "region": _region_packet(crop, region)})
        if "landmarks" not in found:
            return None
        if not with_mask:
            found.pop("mask", None)
        if self._details is None:
            return _detection(found, crop, None, None)
        fine = RegionCrop.around(rgb, region, region_side_px=_DETAIL_SIDE_PX) or crop
        hands = self._details.hands(fine, found["landmarks"], _pose(found, crop).keypoints)
        return _detection(found, crop, hands, self._details.face(fine, found["landmarks"]))

    def _reader(self) -> _Graph:
        """The landmark model, loaded when first asked for; one that gives no masks is no quicker, and 70 MB more."""
        if self._landmarks is None:
            with quiet_stderr():
                self._landmarks = _landmark_graph()
                self._landmarks.run(_blank_packets())
        return self._landmarks

    def close(self) -> None:
        """Free the models."""
        self._detector.close()
        if self._landmarks is not None:
            self._landmarks.close()
        if self._details is not None:
            self._details.close()


def estimator_version(config: PoseConfig) -> str:
    """Return what `MediaPipeEstimator(config).version` is, without loading anything."""
    levels = "+hands" * config.hands + "+face" * config.face
    return f"mediapipe-{importlib.metadata.version('mediapipe')}-blazepose-full-r{_SETTINGS_REVISION}{levels}"


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
        mediapipe = load_mediapipe()
        from google.protobuf import text_format
        from mediapipe.framework import calculator_pb2
        from mediapipe.python._framework_bindings import calculator_graph, resource_util

        resource_util.set_resource_dir(str(Path(str(mediapipe.__file__)).parent.parent))
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


class _Details:
    """Reads hands and face of a person whose skeleton is known, at a finer resolution than the body's."""

    def __init__(self, config: PoseConfig) -> None:
        from mediapipe.python import packet_creator

        self._hands = self._face = None
        outputs = ("left", "right") if config.hands else ()
        if config.hands:
            side_packets = {"complexity": packet_creator.create_int(_MODEL_COMPLEXITY)}
            self._hands = _Graph(HANDS_GRAPH, outputs=dict.fromkeys(outputs, _read_proto), side_packets=side_packets)
        if config.face:
            side_packets = {"with_attention": packet_creator.create_bool(False)}
            self._face = _Graph(FACE_GRAPH, outputs={"mesh": _read_proto}, side_packets=side_packets)

    def warm_up(self) -> None:
        """Load the models on a picture without anybody."""
        blank = np.zeros((64, 64, 3), np.uint8)
        crop, landmarks = RegionCrop(blank, (0, 0), (64, 64), (64, 64)), _blank_landmarks()
        self.hands(crop, landmarks, np.zeros((NUM_JOINTS, 2), np.float32))
        self.face(crop, landmarks)

    def hands(self, crop: RegionCrop, landmarks: Any, keypoints: FloatArray) -> FloatArray | None:
        """Return (2, 21, 3): left, right hand; x, y in pixels and 1 where seen; None where not asked for."""
        if self._hands is None:
            return None
        points = np.zeros((2, _HAND_POINTS, 3), np.float32)
        packets = {name: _landmark_packet(landmarks, indices) for name, indices in _HAND_INPUTS.items()}
        found = self._hands.run({"image": _image_packet(crop.rgb), **packets})
        for side, (name, wrist) in enumerate((("left", _LEFT_WRIST), ("right", _RIGHT_WRIST))):
            if name in found:
                seen = crop.to_picture(_rows(found[name]))
                # A hand that lies elsewhere than the arm's end is another's, or nobody's.
                if np.hypot(*(seen[0, :2] - keypoints[wrist])) < _HAND_REACH * torso_size_px(keypoints):
                    points[side, :, :2], points[side, :, 2] = seen[:, :2], 1.0
        return points

    def face(self, crop: RegionCrop, landmarks: Any) -> FloatArray | None:
        """Return (468, 3): x, y and depth in pixels, NaN where no face is seen; None where not asked for."""
        if self._face is None:
            return None
        packets = {"face_joints": _landmark_packet(landmarks, range(len(FACE_JOINTS)))}
        found = self._face.run({"image": _image_packet(crop.rgb), **packets})
        if "mesh" not in found:
            return np.full((_FACE_POINTS, 3), np.nan, np.float32)
        return crop.to_picture(_rows(found["mesh"]))[:_FACE_POINTS]

    def close(self) -> None:
        """Free the models."""
        for graph in (self._hands, self._face):
            if graph is not None:
                graph.close()


def _detection(
    found: Mapping[str, Any], crop: RegionCrop, hands: FloatArray | None, face: FloatArray | None
) -> Detection:
    pose = replace(_pose(found, crop), hands=hands, face=face)
    center, top = crop.to_picture(_rows(found["alignment"]))[:2, :2].astype(np.float64)
    return Detection(
        pose=pose,
        box=person_box(pose.keypoints, pose.confidence, pose.size_hw),
        region=_region_of_circle(center, top, score=1.0),
        mask=crop.mask_to_picture(found["mask"]) if "mask" in found else None,
    )


def _pose(found: Mapping[str, Any], crop: RegionCrop) -> Pose:
    placed = crop.to_picture(_rows(found["landmarks"])[:NUM_JOINTS])
    visibility = np.array([mark.visibility for mark in found["landmarks"].landmark], np.float32)
    return Pose(
        keypoints=np.ascontiguousarray(placed[:, :2]),
        confidence=np.clip(visibility[:NUM_JOINTS], 0, 1),
        depth=np.ascontiguousarray(placed[:, 2]),
        world=_rows(found["world"])[:NUM_JOINTS].astype(np.float32),
        size_hw=crop.picture_hw,
    )


def _rows(landmarks: Any) -> npt.NDArray[np.float64]:
    """(N, 3): x, y, z of a landmark list."""
    return np.array([(mark.x, mark.y, mark.z) for mark in landmarks.landmark], np.float64)


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


def _landmark_graph() -> _Graph:
    from mediapipe.python import packet_creator

    outputs: dict[str, Callable[[Any], Any]] = {name: _read_proto for name in ("landmarks", "alignment", "world")}
    side_packets = {
        "complexity": packet_creator.create_int(_MODEL_COMPLEXITY),
        "with_mask": packet_creator.create_bool(True),
    }
    return _Graph(LANDMARK_GRAPH, outputs={**outputs, "mask": _read_mask}, side_packets=side_packets)


def _blank_packets() -> dict[str, Any]:
    """A picture without anybody, to load the models with."""
    blank = np.zeros((64, 64, 3), np.uint8)
    region = Region((32.0, 32.0), 64.0)
    crop = RegionCrop(blank, (0, 0), (64, 64), (64, 64))
    return {"image": _image_packet(blank), "region": _region_packet(crop, region)}


def _blank_landmarks() -> Any:
    """Joints at a few different places, so that regions drawn from them have a size."""
    from mediapipe.framework.formats import landmark_pb2

    marks = [
        landmark_pb2.NormalizedLandmark(x=0.5 + 0.1 * (index % 3 - 1), y=0.5 + 0.1 * (index % 2), visibility=1.0)
        for index in range(NUM_JOINTS)
    ]
    return landmark_pb2.NormalizedLandmarkList(landmark=marks)


def _region_packet(crop: RegionCrop, region: Region) -> Any:
    from mediapipe.framework.formats import rect_pb2
    from mediapipe.python import packet_creator

    x, y, width, height = crop.shares_of(region)
    return packet_creator.create_proto(
        rect_pb2.NormalizedRect(x_center=x, y_center=y, width=width, height=height, rotation=region.rotation)
    )


def _landmark_packet(landmarks: Any, indices: Iterable[int]) -> Any:
    from mediapipe.framework.formats import landmark_pb2
    from mediapipe.python import packet_creator

    chosen = [landmarks.landmark[index] for index in indices]
    return packet_creator.create_proto(landmark_pb2.NormalizedLandmarkList(landmark=chosen))


def _image_packet(rgb: UInt8Array) -> Any:
    from mediapipe.python import packet_creator
    from mediapipe.python._framework_bindings.image_frame import ImageFormat

    return packet_creator.create_image_frame(np.ascontiguousarray(rgb), image_format=ImageFormat.SRGB)


def _read_proto(packet: Any) -> Any:
    from mediapipe.python import packet_getter

    return packet_getter.get_proto(packet)


def _read_protos(packet: Any) -> Any:
    from mediapipe.python import packet_getter

    return packet_getter.get_proto_list(packet)


def _read_mask(packet: Any) -> FloatArray:
    from mediapipe.python import packet_getter

    return np.array(packet_getter.get_image(packet).numpy_view(), np.float32).squeeze()
