"""The Python API: set the source once, then draw it in any motion, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from drn_core.model.crops import CropBox, track_crop_boxes
from drn_core.model.records import DRNOutput
from drn_core.prior.render import PriorFrame, PriorRenderer, pose_vertices
from drn_core.prior.surface import SurfaceMotion
from drn_core.prior.uncut import CutOut
from drn_core.refiner import PersonRefiner, SkeletonFrame
from retarget.config import PoseConfig, RenderConfig, TransferConfig
from retarget.photo import read_photo
from retarget.pipeline.background import Background
from retarget.pipeline.driver_range import DriverRange
from retarget.pipeline.models import LoadedModel, load_model
from retarget.pipeline.room import SourceRoom
from retarget.pipeline.source import SourceModel
from retarget.pipeline.source_cache import source_of_photo
from retarget.pipeline.surface import read_surface_motion
from retarget.pipeline.transfer import TransferredTrack, transfer_track
from retarget.records import PoseTrack, UInt8Array

__all__ = ["MotionPlan", "RenderedFrame", "Retargeter"]


@dataclass(frozen=True)
class MotionPlan:
    """A driver's motion on the source's body, and in which order its sheets cover each other.

    Attributes:
        track: the output skeletons.
        orders: (T, 9) layer ids, back to front.
        pts: (T,) the driver's times in ticks.
        time_base: seconds per tick, as a float.
        origin_pts: the time that backgrounds start at; None for that of the first frame.
        surface: how the person's surface moves beyond its skeleton; None where only the skeleton moves it.
    """

    track: TransferredTrack
    orders: npt.NDArray[np.int64]
    pts: npt.NDArray[np.int64]
    time_base: float
    origin_pts: int | None = None
    surface: SurfaceMotion | None = None

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.track)

    def part(self, start: int, stop: int) -> MotionPlan:
        """Return the plan of frames [start, stop) alone; the reference frame keeps its number in the whole."""
        return replace(
            self,
            track=self.track.part(start, stop),
            orders=self.orders[start:stop],
            pts=self.pts[start:stop],
            origin_pts=self._origin,
            surface=None if self.surface is None else self.surface.part(start, stop),
        )

    def seconds_at(self, index: int) -> float:
        """Return the time of a frame from the clip's first."""
        return float(self.pts[index] - self._origin) * self.time_base

    @property
    def _origin(self) -> int:
        return int(self.pts[0]) if self.origin_pts is None else self.origin_pts


@dataclass(frozen=True)
class RenderedFrame:
    """One output frame and what it was made from.

    Attributes:
        image: (H, W, 3) uint8 RGB, or (H, W, 4) RGBA with straight alpha for a transparent background.
        index: running number.
        pts: the driver's time in ticks.
        prior: the posed layers in their window.
        network: what the network made of it, in its own crop; None where geometry alone draws.
    """

    image: UInt8Array
    index: int
    pts: int
    prior: PriorFrame
    network: DRNOutput | None = None


class Retargeter:
    """One person, drawn in any motion.

    Args:
        source: the person's model; `Retargeter.from_photo` makes it from a file.
        render: how to draw.
        transfer: how motion is carried over.
        model: the network, where it is loaded already; None loads what `render` names.

    Raises:
        ModelError: the configuration names no model or a file that is none.
        DeviceError: the device is absent.
    """

    def __init__(
        self,
        source: SourceModel,
        *,
        render: RenderConfig | None = None,
        transfer: TransferConfig | None = None,
        model: LoadedModel | None = None,
    ) -> None:
        self._source = source
        self._render = render or RenderConfig()
        self._transfer = transfer or TransferConfig()
        cut_out = CutOut(source.matte.foreground, source.matte.alpha)
        self._renderer = PriorRenderer(source.person, source.size_hw, cut_out=cut_out)
        network = model or load_model(self._render.model, self._render.device)
        self._refiner = None if network is None else _refiner(source, network)
        self._crop_hw = None if network is None else network.size_hw

    @classmethod
    def from_photo(
        cls,
        path: str | Path,
        *,
        pose: PoseConfig | None = None,
        render: RenderConfig | None = None,
        transfer: TransferConfig | None = None,
    ) -> Retargeter:
        """Read a photo and model its person, or take up from the cache what is known of it.

        Args:
            path: the photo.
            pose: which person, how it is read.
            render: how to draw.
            transfer: how motion is carried over.

        Returns:
            The retargeter.

        Raises:
            InputError: the photo can't be read.
            PersonNotFoundError: it shows nobody.
        """
        render, pose = render or RenderConfig(), pose or PoseConfig()
        source = source_of_photo(
            read_photo(path), str(path), person=pose.person, pose=pose, max_side_px=render.max_side_px
        )
        return cls(source, render=render, transfer=transfer)

    @property
    def source(self) -> SourceModel:
        """The person's model."""
        return self._source

    def plan(
        self, track: PoseTrack, driver: DriverRange | None = None, progress: Callable[[int], None] | None = None
    ) -> MotionPlan:
        """Carry a driver's motion over to the source's body.

        Args:
            track: the driver's smoothed track.
            driver: where its frames are; None leaves it at what the skeletons say.
            progress: called with the number of frames whose surface was read so far.

        Returns:
            The plan, one skeleton a frame.
        """
        person, pose = self._source.person, self._source.pose
        if person.photo_joints is not None:
            pose = replace(pose, keypoints=person.photo_joints.astype(np.float32))
        transferred = transfer_track(pose, track, self._transfer, drawn=person.body.keypoints)
        orders = person.drawing_orders(transferred.depth, transferred.reference_index)
        surface = None
        if driver is not None and self._transfer.surface:
            surface = read_surface_motion(driver, track, transferred, person, progress)
        return MotionPlan(transferred, orders, track.pts, float(track.time_base), surface=surface)

    def render(self, plan: MotionPlan, background: Background | None = None) -> Iterator[RenderedFrame]:
        """Draw the frames of a plan, one after the other; memory does not grow.

        Args:
            plan: the motion.
            background: what is behind the person; None leaves it transparent where the configuration says so and
                shows the photo's own room otherwise.

        Yields:
            The frames in order.
        """
        is_transparent = self._render.background == "transparent" and background is None
        behind = background or SourceRoom(self._source)
        boxes = self._crop_boxes(plan)
        for index in range(len(plan)):
            frame, output = self.pose(plan, index), None
            if is_transparent:
                picture = np.asarray(self._renderer.cut_out(frame).numpy(), np.uint8)
            elif self._refiner is None:
                room = behind.at(plan.seconds_at(index), frame)
                picture = np.asarray(self._renderer.paint(frame, torch.from_numpy(room)).numpy(), np.uint8)
            else:
                room = behind.at(plan.seconds_at(index), frame)
                picture, frame, output = self._refine(plan, index, frame, room, boxes[index])
            yield RenderedFrame(picture, index, int(plan.pts[index]), frame, output)

    def _crop_boxes(self, plan: MotionPlan) -> list[CropBox]:
        if self._crop_hw is None:
            return []
        track = plan.track
        return track_crop_boxes(
            torch.from_numpy(track.keypoints), torch.from_numpy(track.confidence), self._source.size_hw, self._crop_hw
        )

    def _refine(
        self, plan: MotionPlan, index: int, frame: PriorFrame, room: UInt8Array, box: CropBox
    ) -> tuple[UInt8Array, PriorFrame, DRNOutput]:
        """Let the network correct the mesh, draw it at native size, and add what the network paints."""
        assert self._refiner is not None  # noqa: S101 - the caller's condition, for the type checker
        track, order = plan.track, plan.orders[index]
        skeleton = SkeletonFrame(track.keypoints[index], track.confidence[index], track.depth[index], order)
        correction = self._refiner.correct(frame.target_xy, skeleton, room, box)
        moved = self._renderer.rasterize(correction.target_xy, track.depth[index], order)
        drawn = np.asarray(self._renderer.paint(moved, torch.from_numpy(room)).numpy(), np.uint8)
        return np.asarray(self._refiner.finish(drawn, correction), np.uint8), moved, correction.output

    def pose(self, plan: MotionPlan, index: int) -> PriorFrame:
        """Pose the layers for one frame of a plan."""
        track = plan.track
        person, scale = self._source.person, float(track.scale[index])
        target_xy = pose_vertices(person, track.keypoints[index], track.confidence[index], scale)
        if plan.surface is not None:
            target_xy = target_xy + plan.surface.at(index)
        return self._renderer.rasterize(target_xy, track.depth[index], plan.orders[index])


def _refiner(source: SourceModel, model: LoadedModel) -> PersonRefiner:
    return PersonRefiner(
        model.network,
        model.size_hw,
        source.person,
        source.rgb,
        source.pose.keypoints,
        source.pose.confidence,
        dtype=model.dtype,
        device=model.device,
    )
