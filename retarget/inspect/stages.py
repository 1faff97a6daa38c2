"""Every stage of one frame, in order, as pictures of the output's size and as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from drn_core.model.records import DRNOutput
from drn_core.prior.parts import NUM_PARTS, Layer
from retarget.inspect.drawing import (
    draw_difference,
    draw_flow,
    draw_labels,
    draw_mesh,
    draw_points,
    draw_weight,
)
from retarget.pipeline.retargeter import MotionPlan, RenderedFrame
from retarget.pipeline.source import SourceModel
from retarget.pose.draw import draw_pose
from retarget.records import FloatArray, Pose, UInt8Array

__all__ = ["Stage", "driver_stage", "frame_stages", "network_stages", "source_stages"]


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        name: stable, for file names: lower case with underscores.
        title: for people.
        picture: (H, W, 3) uint8.
        note: what the colours mean, and figures.
        arrays: what the picture was drawn from, by name.
    """

    name: str
    title: str
    picture: UInt8Array
    note: str = ""
    arrays: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


def source_stages(source: SourceModel) -> list[Stage]:
    """Return what is made once of the photo: skeleton, matte, mesh, layers, plate."""
    pose = source.pose
    person = source.person
    names = ", ".join(layer.name.lower().replace("_", " ") for layer in person.layers)
    joints = {"keypoints": pose.keypoints, "confidence": pose.confidence, "depth": pose.depth}
    triangles = len(person.mesh.triangles)
    return [
        Stage("source_pose", "photo and skeleton", draw_pose(source.rgb, pose), "left orange, right blue", joints),
        Stage("source_matte", "matte", draw_weight(source.matte.alpha), "white: the person",
              {"alpha": source.matte.alpha}),
        Stage("source_mesh", "parts and mesh", draw_mesh(source.rgb, person), f"{triangles} triangles, a colour a part",
              {"source_xy": person.mesh.source_xy, "triangles": person.mesh.triangles,
               "triangle_part": person.mesh.triangle_part, "triangle_layer": person.mesh.triangle_layer}),
        Stage("source_layers", "layers", _layer_sheet(person.textures), names, {"textures": person.textures}),
        Stage("source_plate", "background plate", source.plate, "the photo without the person"),
    ]  # fmt: skip


def _layer_sheet(textures: UInt8Array) -> UInt8Array:
    """The layers that hold anything, side by side over grey."""
    shown = [texture for texture in textures if texture[..., 3].any()]
    flat = []
    for texture in shown:
        alpha = texture[..., 3:].astype(np.float32) / 255
        flat.append((texture[..., :3] * alpha + 90 * (1 - alpha)).astype(np.uint8))
    return np.hstack(flat) if flat else np.zeros((2, 2, 3), np.uint8)


def driver_stage(rgb: UInt8Array, raw: Pose, smoothed: Pose, *, is_detected: bool) -> Stage:
    """Return the driver's frame with the pose as read (dots) and smoothed (lines)."""
    picture = draw_pose(rgb, smoothed, is_detected=is_detected)
    if is_detected:
        picture = draw_points(picture, raw)
    joints = {"raw_keypoints": raw.keypoints, "keypoints": smoothed.keypoints, "confidence": smoothed.confidence}
    note = "lines: smoothed; dots: as read" if is_detected else "nobody was found here: the pose is filled in"
    return Stage("driver", "driver and pose", picture, note, joints)


def frame_stages(
    source: SourceModel,
    plan: MotionPlan,
    index: int,
    frame: RenderedFrame,
    previous: RenderedFrame | None,
    *,
    stride: int = 1,
) -> Iterator[Stage]:
    """Yield the stages of an output frame, from the transferred skeleton to the difference to the frame before.

    Args:
        source: the photo's model.
        plan: the motion of the whole clip.
        index: the frame's number in it.
        frame: the frame as rendered.
        previous: the frame before it; None for the first.
        stride: maps are drawn on every so many pixels.
    """
    yield _transferred(source, plan, index)
    yield from _prior_stages(source, plan.orders[index], frame, stride)
    if frame.network is not None:
        yield from network_stages(frame.network)
    shown = _opaque(frame.image)
    yield Stage("composite", "result", shown, "", {"image": frame.image})
    if previous is not None:
        picture = draw_difference(shown, _opaque(previous.image))
        yield Stage("difference", "difference to the frame before", picture, "four times as strong; black is equal")


def _transferred(source: SourceModel, plan: MotionPlan, index: int) -> Stage:
    track = plan.track
    pose = Pose(
        keypoints=track.keypoints[index],
        confidence=track.confidence[index],
        depth=track.depth[index],
        world=np.zeros((len(track.keypoints[index]), 3), np.float32),
        size_hw=source.size_hw,
    )
    arrays = {"keypoints": pose.keypoints, "confidence": pose.confidence, "depth": pose.depth}
    note = f"on the photo's proportions; size {float(track.scale[index]):.3f} of the photo's"
    return Stage("skeleton", "transferred skeleton", draw_pose(source.plate, pose), note, arrays)


def _prior_stages(
    source: SourceModel, orders: npt.NDArray[np.int64], frame: RenderedFrame, stride: int
) -> Iterator[Stage]:
    prior = frame.prior
    y0, x0, y1, x1 = prior.window
    size_hw = source.size_hw

    def whole(part: npt.NDArray[Any], empty: float) -> npt.NDArray[Any]:
        result = np.full((*part.shape[:-2], *size_hw), empty, part.dtype)
        result[..., y0:y1, x0:x1] = part
        return result[..., ::stride, ::stride]

    layer = whole(prior.raster.layer[0, 0].numpy(), -1)
    part = whole(prior.raster.part[0, 0].numpy(), -1)
    # Flow points into the textures; their corner and the window's make it one between photo and frame.
    shift = np.array(source.person.origin_xy, np.float32) - np.array([x0, y0], np.float32)
    flow = whole(prior.raster.flow[0, 0].numpy() + shift[:, None, None], 0.0)
    is_there = layer >= 0
    visibility = whole(prior.raster.visibility[0, 0].numpy(), 0.0)
    longest = float(np.hypot(*flow)[is_there].max(initial=0.0))
    order = " < ".join(Layer(int(each)).name.lower().replace("_", " ") for each in orders)
    yield Stage("flow", "prior flow", draw_flow(flow, is_there), f"backward; longest {longest:.0f} px", {"flow": flow})
    yield Stage(
        "visibility", "visibility", draw_weight(visibility), "white: the warped photo", {"visibility": visibility}
    )
    yield Stage("parts", "parts", draw_labels(part, NUM_PARTS), "the front-most part", {"part": part})
    yield Stage("layers", "layers", draw_labels(layer, len(Layer)), f"back to front: {order}", {"layer": layer})


def network_stages(output: DRNOutput) -> Iterator[Stage]:
    """Yield what the network made of a frame, in its own crop: residual flow, visibility, content, detail, face.

    Args:
        output: of one frame (B = 1).
    """
    pose = output.pose
    if pose.residual_flow is not None:
        flow = _array(pose.residual_flow)
        longest = float(np.hypot(*flow).max(initial=0.0))
        picture = draw_flow(flow, np.ones(flow.shape[1:], bool))
        yield Stage(
            "residual_flow", "residual flow", picture, f"longest {longest:.2f} crop px", {"residual_flow": flow}
        )
    if pose.visibility is not None:
        kept = _array(pose.visibility)[0]
        yield Stage("kept", "kept of the prior", draw_weight(kept), "black: painted by the network", {"kept": kept})
    if pose.content is not None:
        content = _array(pose.content)
        yield Stage("content", "content", _picture(content), "what the network would paint", {"content": content})
    if output.detail is not None:
        detail = _array(output.detail)
        yield Stage("detail", "detail residual", _picture(0.5 + detail), "grey: nothing added", {"detail": detail})
    if output.face is not None and output.face_mask is not None:
        mask = _array(output.face_mask)
        boxed = _picture(_array(output.face) * mask + 0.25 * (1 - mask))
        yield Stage("face", "face box", boxed, "the face module's part", {"face_mask": mask})


def _array(tensor: Any) -> FloatArray:
    return np.asarray(tensor[0].detach().float().cpu().numpy(), np.float32)


def _picture(image: FloatArray) -> UInt8Array:
    return np.ascontiguousarray(np.round(np.clip(image, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0))


def _opaque(image: UInt8Array) -> UInt8Array:
    """A picture with transparency over a checkerboard."""
    if image.shape[2] == 3:
        return image
    rows, columns = np.indices(image.shape[:2]) // 16
    board = np.where((rows + columns) % 2, 200, 150)[..., None].astype(np.float32)
    alpha = image[..., 3:].astype(np.float32) / 255
    return np.asarray(np.round(image[..., :3] * alpha + board * (1 - alpha)), np.uint8)
