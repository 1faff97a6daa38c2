"""The generator: pairs and clips of synthetic people, each a pure function of configuration, seed and index."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.backgrounds import draw_background
from drn_core.data.synthetic.camera import Camera, Light, draw_light
from drn_core.data.synthetic.character import Character, build_character, draw_design
from drn_core.data.synthetic.config import SyntheticConfig
from drn_core.data.synthetic.correspondence import BACKGROUND, VISIBLE
from drn_core.data.synthetic.detector import observe
from drn_core.data.synthetic.finish import Look, develop, draw_look, draw_noise
from drn_core.data.synthetic.framing import CROPS, frame_person
from drn_core.data.synthetic.ground import floor_shadow
from drn_core.data.synthetic.joints import JointView, view_joints
from drn_core.data.synthetic.motions import Motion, draw_motion
from drn_core.data.synthetic.pose_families import draw_clear_pose
from drn_core.data.synthetic.raster import bounds
from drn_core.data.synthetic.records import SyntheticClip, SyntheticPair
from drn_core.data.synthetic.render import Drawing, Renderer, trace
from drn_core.data.synthetic.rig import PosedBones
from drn_core.data.synthetic.textures import as_bytes

__all__ = ["SyntheticPeople"]

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]
_IDENTITY_STREAM, _PAIR_STREAM, _CLIP_STREAM = 0, 1, 2


@dataclass(frozen=True)
class _Stance:
    """A person posed in the world: vertices (n, 3) and bones."""

    points: FloatArray
    bones: PosedBones


@dataclass(frozen=True)
class _Scene:
    """What the pictures of a pair or clip share.

    Attributes:
        camera: where it stands.
        light: of the scene.
        background: (H, W, 3) 0 to 1, without noise.
        has_floor: whether the person's shadow falls on a floor.
        look: blur and noise of the camera.
    """

    camera: Camera
    light: Light
    background: FloatArray
    has_floor: bool
    look: Look


@dataclass(frozen=True)
class _View:
    """One picture with its joints, and the same picture without the person."""

    drawing: Drawing
    image: UInt8Array
    plate: UInt8Array
    joints: JointView
    observed: FloatArray
    confidence: FloatArray


class SyntheticPeople:
    """An endless, indexable supply of synthetic people.

    The same configuration, seed and index give the same arrays in any order and in any process. Consecutive
    indices share a person (`config.pairs_per_identity`), so workers should take runs of them.

    Args:
        config: what to render.
        seed: of everything random.
    """

    def __init__(self, config: SyntheticConfig | None = None, seed: int = 0) -> None:
        self.config = config or SyntheticConfig()
        self.seed = seed
        self._renderer = Renderer(self.config.size_hw, self.config.supersampling)
        self._person: tuple[int, Character] | None = None

    def person(self, identity: int) -> Character:
        """The person of the given number; the last one is kept."""
        if self._person is None or self._person[0] != identity:
            rng = np.random.default_rng([self.seed, _IDENTITY_STREAM, identity])
            self._person = identity, build_character(draw_design(rng), self.config.texture_size)
        return self._person[1]

    def pair(self, index: int) -> SyntheticPair:
        """The pair of the given number, index >= 0."""
        config = self.config
        person = self.person(index // config.pairs_per_identity)
        rng = np.random.default_rng([self.seed, _PAIR_STREAM, index])
        source_stance, target_stance = self._draw_stances(rng, person)
        source_scene, target_scene = self._draw_scenes(rng, [source_stance.points, target_stance.points])
        source = self._view(rng, person, source_stance, source_scene)
        target = self._view(rng, person, target_stance, target_scene)
        flow, codes = trace(target.drawing, source.drawing, person, config.supersampling)
        is_same_camera = source_scene.camera is target_scene.camera
        return SyntheticPair(
            source_image=source.image,
            target_image=target.image,
            source_mask=source.drawing.mask,
            target_mask=target.drawing.mask,
            source_parts=source.drawing.parts,
            target_parts=target.drawing.parts,
            source_coords=source.drawing.coords,
            target_coords=target.drawing.coords,
            source_keypoints=source.joints.keypoints,
            target_keypoints=target.joints.keypoints,
            source_observed=source.observed,
            target_observed=target.observed,
            source_confidence=source.confidence,
            target_confidence=target.confidence,
            source_visible=source.joints.visible,
            target_visible=target.joints.visible,
            source_depths=source.joints.depths,
            target_depths=target.joints.depths,
            flow=flow,
            visibility=(codes == VISIBLE).astype(np.float32),
            visibility_codes=codes,
            background=source.plate,
            target_background=source.plate if is_same_camera else target.plate,
            is_same_camera=is_same_camera,
        )

    def clip(self, index: int, num_frames: int, *, rate_hz: float = 30.0, kind: str | None = None) -> SyntheticClip:
        """The clip of the given number.

        Args:
            index: number of the clip, >= 0.
            num_frames: T, at least 1.
            rate_hz: frames per second.
            kind: one of `motions.MOTIONS`; None draws one.

        Raises:
            ValueError: no frames are asked for, or the kind is unknown.
        """
        if num_frames < 1:
            raise ValueError(f"clip: expected at least one frame, got {num_frames}")
        person = self.person(index // self.config.pairs_per_identity)
        rng = np.random.default_rng([self.seed, _CLIP_STREAM, index])
        motion = draw_motion(rng, kind)
        strengths = motion.pose_at(0.0).expression
        stances = [self._moment(person, motion, k / rate_hz, strengths) for k in range(num_frames)]
        source_stance = self._moment(person, motion, rng.uniform(-3.0, 0.0), strengths)
        scene, _ = self._draw_scenes(rng, [source_stance.points, *(s.points for s in stances)], shared=True)
        source = self._view(rng, person, source_stance, scene)
        views = [self._view(rng, person, stance, scene) for stance in stances]
        to_source = [trace(v.drawing, source.drawing, person, self.config.supersampling) for v in views]
        to_previous = [trace(b.drawing, a.drawing, person, self.config.supersampling) for a, b in pairwise(views)]
        nowhere = np.zeros_like(to_source[0][0]), np.full_like(to_source[0][1], BACKGROUND)
        to_previous.insert(0, nowhere)
        return SyntheticClip(
            source_image=source.image,
            source_mask=source.drawing.mask,
            source_parts=source.drawing.parts,
            source_coords=source.drawing.coords,
            source_keypoints=source.joints.keypoints,
            source_observed=source.observed,
            source_confidence=source.confidence,
            source_visible=source.joints.visible,
            source_depths=source.joints.depths,
            images=np.stack([v.image for v in views]),
            masks=np.stack([v.drawing.mask for v in views]),
            parts=np.stack([v.drawing.parts for v in views]),
            coords=np.stack([v.drawing.coords for v in views]),
            keypoints=np.stack([v.joints.keypoints for v in views]),
            observed=np.stack([v.observed for v in views]),
            confidence=np.stack([v.confidence for v in views]),
            visible=np.stack([v.joints.visible for v in views]),
            depths=np.stack([v.joints.depths for v in views]),
            flow=np.stack([flow for flow, _ in to_source]),
            visibility_codes=np.stack([codes for _, codes in to_source]),
            previous_flow=np.stack([flow for flow, _ in to_previous]),
            previous_codes=np.stack([codes for _, codes in to_previous]),
            background=source.plate,
            rate_hz=rate_hz,
        )

    def _draw_stances(self, rng: np.random.Generator, person: Character) -> tuple[_Stance, _Stance]:
        config = self.config
        if rng.random() < config.motion_probability:
            motion = draw_motion(rng)
            start = rng.uniform(0, 5)
            times = start, start + rng.uniform(-2, 2)
            first, second = (
                self._moment(person, motion, t, motion.pose_at(t).expression, self._wobble(rng, person)) for t in times
            )
            return first, second
        stances = []
        for spread, is_target in ((config.source_yaw_degrees, False), (config.target_yaw_degrees, True)):
            yaw = rng.normal(0, spread)
            if is_target and rng.random() < config.back_probability:
                yaw = rng.uniform(-180, 180)
            pose = replace(draw_clear_pose(rng, person.rig), heading=yaw)
            shift = np.array([rng.normal(0, 0.08), 0.0, rng.normal(0, 0.08)])
            bones = person.rig.pose(pose).moved(shift)
            rest = person.with_expression(pose.expression) + self._wobble(rng, person)
            stances.append(self._stand(person, bones, rest))
        return stances[0], stances[1]

    def _moment(
        self,
        person: Character,
        motion: Motion,
        time: float,
        strengths: dict[str, float],
        wobble: FloatArray | float = 0.0,
    ) -> _Stance:
        bones = motion.bones_at(person.rig, time)
        rest = (person.with_expression(strengths) + wobble).astype(np.float32)
        if motion.is_planted:
            return _Stance(self._renderer.pose_points(person, bones, rest), bones)
        return self._stand(person, bones, rest)

    def _stand(self, person: Character, bones: PosedBones, rest: FloatArray) -> _Stance:
        """Lower or lift a posed person until the lowest point is on the floor."""
        points = self._renderer.pose_points(person, bones, rest)
        lift = np.array([0.0, person.floor - bounds(points)[0, 1], 0.0])
        return _Stance(points + lift.astype(np.float32), bones.moved(lift))

    def _wobble(self, rng: np.random.Generator, person: Character) -> FloatArray:
        """Displacement (n, 3) of cloth along its normals: a few waves, outwards only."""
        height = np.zeros(len(person.cloth_points), np.float32)
        for _ in range(4):
            wave = (rng.normal(0, 1, 3) * rng.uniform(12, 45)).astype(np.float32)
            height += np.sin(person.cloth_points @ wave + np.float32(rng.uniform(0, 6.3)))
        moved = np.zeros_like(person.points)
        amount = np.abs(height) * np.float32(self.config.cloth_wobble_metres / 2)
        moved[person.cloth_at] = person.cloth_normals * amount[:, None]
        return moved

    def _draw_scenes(
        self, rng: np.random.Generator, points: list[FloatArray], *, shared: bool = False
    ) -> tuple[_Scene, _Scene]:
        config = self.config
        light, background, look = draw_light(rng), draw_background(rng, config.size_hw), draw_look(rng)
        crop = str(rng.choice(CROPS, p=config.crop_shares))
        has_floor = crop == "full" and rng.random() < config.floor_shadow_probability
        if shared or rng.random() < config.shared_camera_probability:
            scene = _Scene(frame_person(rng, points, crop, config.size_hw), light, background, has_floor, look)
            is_relit = not shared and rng.random() < config.relight_probability
            return scene, replace(scene, light=draw_light(rng)) if is_relit else scene
        first = _Scene(frame_person(rng, points[:1], crop, config.size_hw), light, background, has_floor, look)
        other = str(rng.choice(CROPS, p=config.crop_shares))
        camera = frame_person(rng, points[1:], other, config.size_hw)
        return first, _Scene(camera, light, draw_background(rng, config.size_hw), has_floor and other == "full", look)

    def _view(self, rng: np.random.Generator, person: Character, stance: _Stance, scene: _Scene) -> _View:
        config, size = self.config, self.config.size_hw
        background = scene.background
        if scene.has_floor and config.is_lit:
            shade = floor_shadow(person, stance.points, person.floor, scene.camera, scene.light, size)
            background = background * shade[..., None]
        drawing = self._renderer.draw(
            person, stance.points, scene.camera, scene.light, background, is_lit=config.is_lit
        )
        joints = view_joints(person.body, stance.bones, scene.camera, drawing.depth, config.supersampling)
        seen = observe(joints.keypoints, joints.visible, size, rng, config.joint_noise)
        image, plate = drawing.image, as_bytes(scene.background)
        if config.is_lit:
            noise = draw_noise(rng, size, scene.look)
            image, plate = develop(image, scene.look, noise), develop(plate, scene.look, noise)
        return _View(drawing, image, plate, joints, seen.keypoints, seen.confidence)
