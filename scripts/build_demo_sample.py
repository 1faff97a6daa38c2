"""Render the embedded sample of `make demo`: a photo of one synthetic person, a clip of another one dancing.

Everything in it is made here: bodies, clothes, room, motion and sound. Deterministic up to the encoders' versions::

    python -m scripts.build_demo_sample --output retarget/assets
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from drn_core.data.synthetic.camera import Camera, Light, look_at
from drn_core.data.synthetic.character import Character, CharacterDesign, build_character, draw_design
from drn_core.data.synthetic.ground import floor_shadow
from drn_core.data.synthetic.motions import Motion
from drn_core.data.synthetic.planting import plant, standing_feet
from drn_core.data.synthetic.pose import Arm, BodyPose
from drn_core.data.synthetic.render import Renderer
from drn_core.data.synthetic.rig import PosedBones

FloatArray = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]

SOURCE_HW = (960, 720)
DRIVER_HW = (720, 640)
HORIZON = 0.80  # where wall and floor meet, as a share of the height
RATE = 30
SECONDS = 4.8
BEAT_SECONDS = 0.6
SAMPLE_RATE = 44100
TEXTURE_SIZE = 1024


def source_design() -> CharacterDesign:
    """The person of the photo: a striped top with three-quarter sleeves, blue trousers."""
    design = draw_design(np.random.default_rng(24))
    outfit = replace(
        design.outfit, sleeve=0.62, looseness=0.006, leg_looseness=0.014, neck_style="round", neck_depth=0.02,
        leg=1.0, flare=0.06, has_skirt=False, is_dress=False, shoe_height=1.03, has_socks=False,
    )  # fmt: skip
    return replace(design, outfit=outfit, has_logo=False, seed=46)


def driver_design() -> CharacterDesign:
    """The person of the clip: a plaid shirt, grey trousers."""
    design = draw_design(np.random.default_rng(31))
    return replace(design, outfit=replace(design.outfit, leg_looseness=0.016, leg=1.0), has_logo=False, seed=19)


def room(size_hw: tuple[int, int], horizon: float, wall: tuple[float, float, float], floor: tuple[float, float, float],
         seed: int) -> FloatArray:  # fmt: skip
    """A tidy room, (H, W, 3) 0 to 1: a lit wall, a skirting board, floor boards."""
    height, width = size_hw
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    pool = np.exp(-(((x / width - 0.42) / 0.55) ** 2) - ((y / height - 0.30) / 0.60) ** 2)
    image = np.array(wall, np.float32) * (0.80 + 0.24 * pool)[..., None]
    line = round(height * horizon)
    below = np.array(floor, np.float32) * (0.78 + 0.30 * (y / height - horizon) / (1 - horizon))[..., None]
    vanishing = (0.5 * width, 0.30 * height)
    depth = np.maximum(y - vanishing[1], 1.0)
    across = (x - vanishing[0]) / depth * 4.0
    board = np.floor(across)
    tone = rng.uniform(0.93, 1.05, 256).astype(np.float32)[np.mod(board, 256).astype(int)]
    seam = np.abs(across - board - 0.5) > 0.485
    below = below * (tone * np.where(seam, 0.86, 1.0))[..., None]
    image[line:] = below[line:]
    skirting = round(0.022 * height)
    image[line - skirting : line] = np.array(wall, np.float32) * 1.06
    image[line - skirting - 1 : line - skirting] *= 0.88
    image[line : line + 2] *= 0.75
    image = cv2.GaussianBlur(image, (0, 0), 0.9)
    grain = rng.standard_normal((height, width, 1)).astype(np.float32)
    return np.asarray(np.clip(image + 0.006 * grain, 0, 1), dtype=np.float32)


def studio_light(azimuth: float) -> Light:
    """A large soft key from above, with a bright fill."""
    elevation = 0.72
    direction = np.array([
        math.sin(azimuth) * math.cos(elevation), math.sin(elevation), math.cos(azimuth) * math.cos(elevation),
    ])  # fmt: skip
    return Light(direction, np.array([0.80, 0.77, 0.72]), np.array([0.70, 0.71, 0.73]), np.array([0.46, 0.43, 0.39]))


def camera_for(person: Character, size_hw: tuple[int, int], share: float, room_above: float) -> Camera:
    """A camera at chest height that shows the whole person over `share` of the picture's height."""
    low, high = float(person.points[:, 1].min()), float(person.points[:, 1].max())
    distance = 4.6
    focal = share * size_hw[0] * distance / (high - low)
    middle = high + room_above * (high - low) - 0.5 * size_hw[0] * distance / focal
    return look_at([0.0, middle, distance], [0.0, middle, 0.0], focal, size_hw)


def draw_frame(renderer: Renderer, person: Character, bones: PosedBones, pose: BodyPose, camera: Camera, light: Light,
               background: FloatArray) -> UInt8Array:  # fmt: skip
    """One picture of the person in the room, with shadow on the floor."""
    points = renderer.pose_points(person, bones, person.with_expression(pose.expression))
    shade = floor_shadow(person, points, person.floor, camera, light, renderer.size_hw)
    shade[: round(HORIZON * renderer.size_hw[0])] = 1.0  # the wall is too far behind to be shaded
    return renderer.draw(person, points, camera, light, background * shade[..., None]).image


def render_source() -> UInt8Array:
    """The photo."""
    person = build_character(source_design(), TEXTURE_SIZE)
    left = Arm(abduction=36, forward=2, elbow=16, twist=-10, curl=16)
    right = Arm(abduction=34, forward=0, elbow=18, twist=-10, curl=18)
    pose = BodyPose(
        arms=(left, right), head=(3, 2, 1), spine=(0, 2, 0), heading=4, expression={"smile": 0.75, "blink": 0.2}
    )
    bones = plant(person.rig, pose, (0.0, -0.006, 0.0), standing_feet(person.rig, spread=1.25))
    camera = camera_for(person, SOURCE_HW, 0.66, 0.30)
    background = room(SOURCE_HW, HORIZON, (0.80, 0.82, 0.82), (0.66, 0.55, 0.43), seed=1)
    return draw_frame(Renderer(SOURCE_HW, 3), person, bones, pose, camera, studio_light(0.5), background)


def dance() -> Motion:
    """Two bars of a step-touch with wide arms; it ends as it began."""

    def key(left: tuple[float, float, float, float], right: tuple[float, float, float, float], turn: float) -> BodyPose:
        arms = tuple(Arm(abduction=a, forward=f, elbow=e, twist=t, curl=14) for a, f, e, t in (left, right))
        return BodyPose(
            arms=(arms[0], arms[1]),
            spine=(2, turn, 0),
            head=(0.8 * turn, 2, 0),
            expression={"smile": 0.8, "blink": 0.2},
        )

    low, out = (24.0, 4.0, 22.0, -10.0), (78.0, 8.0, 20.0, 10.0)
    up, wave = (128.0, 12.0, 30.0, 60.0), (92.0, 10.0, 78.0, 90.0)
    keys = (
        key(low, low, 0), key(out, out, 4), key(up, low, 6), key(low, up, -6),
        key(wave, out, 5), key(out, wave, -5), key(up, up, 0), key(out, out, 3),
    )  # fmt: skip
    return Motion(
        "dance", keys, BEAT_SECONDS, sway=0.055, bounce=0.035, step=0.13, heading=0.0, turn_amount=5.0, phase=0.0
    )


def render_driver() -> list[UInt8Array]:
    """The frames of the clip."""
    person = build_character(driver_design(), TEXTURE_SIZE)
    camera = camera_for(person, DRIVER_HW, 0.74, 0.17)
    background = room(DRIVER_HW, HORIZON, (0.70, 0.76, 0.80), (0.60, 0.58, 0.56), seed=2)
    renderer, light, motion = Renderer(DRIVER_HW, 2), studio_light(-0.4), dance()
    frames = []
    for index in range(round(SECONDS * RATE)):
        time = index / RATE
        bones = motion.bones_at(person.rig, time)
        frames.append(draw_frame(renderer, person, bones, motion.pose_at(time), camera, light, background))
    return frames


def soundtrack() -> npt.NDArray[np.float32]:
    """A soft beat: a click on every beat and a plucked chord that changes every four, mono, -1 to 1."""
    count = round(SECONDS * SAMPLE_RATE)
    sound = np.zeros(count + SAMPLE_RATE, np.float32)
    chords = ((220.0, 261.6, 329.6), (174.6, 220.0, 261.6))
    for beat in range(round(SECONDS / BEAT_SECONDS)):
        start = round(beat * BEAT_SECONDS * SAMPLE_RATE)
        t = np.arange(SAMPLE_RATE, dtype=np.float32) / SAMPLE_RATE
        click = 0.20 * np.exp(-t * 90) * np.sin(2 * np.pi * 1400 * t)
        notes = chords[beat // 4 % 2]
        pluck = sum(np.sin(2 * np.pi * note * t) + 0.4 * np.sin(4 * np.pi * note * t) for note in notes)
        attack = np.minimum(t / 0.01, 1)
        sound[start : start + SAMPLE_RATE] += click + 0.055 * attack * np.exp(-t * 5) * pluck
    fade = np.minimum(1, np.arange(count, 0, -1) / (0.15 * SAMPLE_RATE)).astype(np.float32)
    return np.clip(sound[:count] * fade, -1, 1)


def write_clip(path: Path, frames: list[UInt8Array], sound: npt.NDArray[np.float32]) -> None:
    """Encode frames and sound as H.264 and AAC."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=Fraction(RATE), options={"crf": "21", "preset": "slow"})
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE)
        audio.bit_rate = 64000
        for image in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode(None))
        for start in range(0, len(sound), 1024):
            block = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts = SAMPLE_RATE, start
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))


def main() -> None:
    """Render and write both files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("retarget/assets"))
    parser.add_argument("--only", choices=("source", "driver"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    if options.only != "driver":
        path = options.output / "demo_source.jpg"
        cv2.imwrite(str(path), render_source()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")
    if options.only != "source":
        path = options.output / "demo_driver.mp4"
        write_clip(path, render_driver(), soundtrack())
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
