"""How well a photo will do: what in it will hurt, in plain words, before anything is rendered.

A photo shows only what it shows. What an arm before the chest hides has to be made up, a part that the frame cuts off
is missing, and a person of a hundred pixels stays one. Each check has a stable code; how much it costs is its weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from drn_core.skeleton import FACE_JOINTS, JOINT_INDEX
from retarget.records import FloatArray, Pose, UInt8Array

__all__ = ["Finding", "PhotoScore", "score_photo"]

Array = npt.NDArray[np.float64]

_J: Final = JOINT_INDEX
_SIDES: Final = ("left", "right")
_SEEN: Final = 0.5
"""Confidence from which a joint counts as seen."""
_INSIDE_MARGIN: Final = 0.01
_HAND_ON_HAND: Final = 0.3
_SMALL_PX: Final = 256
_TINY_PX: Final = 128
_BLUR_LIMIT: Final = 0.08
"""Sharp photos measure 0.12 to 0.36, the same blurred by two pixels of a 400 px person 0.05 to 0.08."""
_TURNED_DEGREES: Final = 40.0
_HEAD_TURNED: Final = 0.6
_GOOD, _USABLE = 0.8, 0.5


@dataclass(frozen=True)
class Finding:
    """One thing that will hurt.

    Attributes:
        code: stable, W111 to W121.
        text: what it is and what it will do, in plain words.
        weight: how much of the score it costs, in [0, 1].
    """

    code: str
    text: str
    weight: float


@dataclass(frozen=True)
class PhotoScore:
    """The verdict on a photo.

    Attributes:
        score: 1 = nothing will hurt, 0 = hopeless.
        findings: what will, worst first.
    """

    score: float
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """The score in a word: good, usable or poor."""
        return "good" if self.score >= _GOOD else "usable" if self.score >= _USABLE else "poor"

    @property
    def warnings(self) -> tuple[tuple[str, str], ...]:
        """Codes and texts, as reports hold them."""
        return tuple((finding.code, finding.text) for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as JSON values."""
        findings = [{"code": each.code, "text": each.text, "weight": each.weight} for each in self.findings]
        return {"score": round(self.score, 2), "verdict": self.verdict, "findings": findings}


@dataclass(frozen=True)
class _Body:
    """The pose with the lengths that checks are measured in.

    Attributes:
        xy: (33, 2) pixels.
        seen: (33,) whether a joint can be trusted.
        inside: (33,) whether it lies in the picture.
        world: (33, 3) metres.
        torso_px: length of the trunk in the picture.
        size_hw: of the picture.
    """

    xy: Array
    seen: npt.NDArray[np.bool_]
    inside: npt.NDArray[np.bool_]
    world: Array
    torso_px: float
    size_hw: tuple[int, int]

    def at(self, name: str) -> Array:
        """Return a joint's place."""
        return np.asarray(self.xy[_J[name]])

    def has(self, *names: str) -> bool:
        """Tell whether all these joints are seen in the picture."""
        return all(self.seen[_J[name]] and self.inside[_J[name]] for name in names)


def _body_of(pose: Pose) -> _Body:
    xy = np.asarray(pose.keypoints, np.float64)
    size = np.array(pose.size_hw[::-1], np.float64)
    margin = _INSIDE_MARGIN * size.max()
    neck = (xy[_J["left_shoulder"]] + xy[_J["right_shoulder"]]) / 2
    pelvis = (xy[_J["left_hip"]] + xy[_J["right_hip"]]) / 2
    width = float(np.linalg.norm(xy[_J["left_shoulder"]] - xy[_J["right_shoulder"]]))
    return _Body(
        xy=xy,
        seen=pose.confidence >= _SEEN,
        inside=np.all((xy > margin) & (xy < size - 1 - margin), axis=1),
        world=np.asarray(pose.world, np.float64),
        torso_px=max(float(np.linalg.norm(neck - pelvis)), width, 1.0),
        size_hw=pose.size_hw,
    )


def score_photo(rgb: UInt8Array, pose: Pose, alpha: FloatArray | None = None, *, num_others: int = 0) -> PhotoScore:
    """Judge a photo by what is known of its person.

    Args:
        rgb: (H, W, 3) uint8.
        pose: the person's skeleton.
        alpha: (H, W) in [0, 1], the person's matte; None judges sharpness over the trunk's box.
        num_others: how many other people the photo shows.

    Returns:
        The verdict; findings in the order of their weight.
    """
    body = _body_of(pose)
    findings = [finding for check in _BODY_CHECKS if (finding := check(body)) is not None]
    findings += [each for each in (_blur(rgb, body, alpha), _several_people(num_others)) if each is not None]
    score = float(np.prod([1.0 - each.weight for each in findings]))
    return PhotoScore(score, tuple(sorted(findings, key=lambda each: -each.weight)))


def _crossed_arms(body: _Body) -> Finding | None:
    """Forearms before the trunk, hands at each other."""
    if body.has("left_wrist", "right_wrist"):
        gap = float(np.linalg.norm(body.at("left_wrist") - body.at("right_wrist"))) / body.torso_px
        crossed = body.has("left_elbow", "right_elbow") and _segments_cross(
            (body.at("left_elbow"), body.at("left_wrist")), (body.at("right_elbow"), body.at("right_wrist"))
        )
        if crossed or gap < _HAND_ON_HAND:
            what = "the arms are crossed" if crossed else "the hands touch or are clasped"
            return Finding("W111", f"{what}: when they part, what they hide has to be made up", 0.35)
    before = [side for side in _SIDES if body.has(f"{side}_wrist") and _in_trunk(body, body.at(f"{side}_wrist"))]
    if before:
        who = "both hands lie" if len(before) == 2 else f"the {before[0]} hand lies"
        return Finding("W111", f"{who} before the trunk: the cloth beneath has to be made up", 0.15 * len(before))
    return None


def _hidden_limbs(body: _Body) -> Finding | None:
    """Arms and legs whose ends are in the picture, but can't be seen."""
    hidden = []
    for side in _SIDES:
        for limb, joints in (("arm", ("elbow", "wrist")), ("leg", ("knee", "ankle"))):
            indices = [_J[f"{side}_{joint}"] for joint in joints]
            if any(body.inside[index] and not body.seen[index] for index in indices):
                hidden.append(f"{side} {limb}")
    if not hidden:
        return None
    text = f"{_listed(hidden)} can't be seen: rebuilt from the other side, or kept still"
    return Finding("W112", f"the {text}", min(0.15 * len(hidden), 0.45))


def _crossed_legs(body: _Body) -> Finding | None:
    if not body.has("left_knee", "right_knee", "left_ankle", "right_ankle"):
        return None
    shins = [(body.at(f"{side}_knee"), body.at(f"{side}_ankle")) for side in _SIDES]
    thighs = [(body.at(f"{side}_hip"), body.at(f"{side}_knee")) for side in _SIDES]
    if any(_segments_cross(a, b) for a in (shins[0], thighs[0]) for b in (shins[1], thighs[1])):
        return Finding("W113", "the legs are crossed: when they part, what they hide has to be made up", 0.25)
    return None


def _cropped(body: _Body) -> Finding | None:
    missing = [] if body.inside[list(FACE_JOINTS)].all() else ["part of the head"]
    has_legs = bool(body.inside[[_J["left_knee"], _J["right_knee"]]].any())
    missing += _gone(body, "wrist", "hand", "hands")
    missing += _gone(body, "ankle", "foot", "feet") if has_legs else ["the legs"]
    if not missing:
        return None
    weight = min(0.08 * len(missing) + 0.1 * (not has_legs) + 0.3 * ("part of the head" in missing), 0.6)
    return Finding("W114", f"the picture cuts off {_listed(missing)}: what is not there can't be shown", weight)


def _gone(body: _Body, joint: str, one: str, both: str) -> list[str]:
    gone = [side for side in _SIDES if not body.inside[_J[f"{side}_{joint}"]]]
    return [f"both {both}"] if len(gone) == 2 else [f"the {side} {one}" for side in gone]


def _turned_away(body: _Body) -> Finding | None:
    across = body.world[_J["left_shoulder"]] - body.world[_J["right_shoulder"]]
    if not body.has("left_shoulder", "right_shoulder") and not body.seen[[_J["left_hip"], _J["right_hip"]]].any():
        return None
    if np.linalg.norm(across[[0, 2]]) < 1e-3:
        return None
    degrees = float(np.degrees(np.arctan2(abs(across[2]), across[0])))
    if degrees < _TURNED_DEGREES:
        return None
    if degrees > 180 - _TURNED_DEGREES:
        return Finding("W115", "the person is seen from behind: there is no face to show", 0.4)
    return Finding("W115", f"the body is turned by {degrees:.0f} degrees: its far side is not in the photo", 0.3)


def _head_turned(body: _Body) -> Finding | None:
    """The nose against the middle between the ears, and the eyes' height against them: turned or bowed."""
    if not body.has("nose", "left_ear", "right_ear", "left_eye", "right_eye"):
        return None
    left, right, nose = body.at("left_ear"), body.at("right_ear"), body.at("nose")
    width = float(np.linalg.norm(left - right))
    if width < 0.12 * body.torso_px:
        return Finding("W116", "the head is seen from the side and will stay so", 0.15)
    along = (left - right) / width
    turned = abs(float((nose - (left + right) / 2) @ along)) / (width / 2)
    eyes = (body.at("left_eye") + body.at("right_eye")) / 2
    mouth = (body.at("mouth_left") + body.at("mouth_right")) / 2
    down = np.array([-along[1], along[0]]) * np.sign(np.cross(along, mouth - eyes) or 1.0)
    bowed = float((eyes - (left + right) / 2) @ down) / width
    if turned > _HEAD_TURNED:
        return Finding("W116", "the head is turned and will stay so", 0.12)
    if abs(bowed) > 0.35:
        return Finding("W116", f"the head is {'bowed' if bowed > 0 else 'raised'} and will stay so", 0.12)
    return None


def _too_small(body: _Body) -> Finding | None:
    points = body.xy[body.inside]
    height = float(np.ptp(points[:, 1])) if len(points) else 0.0
    full = max(height, 2.8 * body.torso_px)
    if full >= _SMALL_PX:
        return None
    weight = 0.5 if full < _TINY_PX else 0.2
    return Finding("W117", f"the person is only about {full:.0f} pixels tall: the result can't be sharper", weight)


def _seated(body: _Body) -> Finding | None:
    bent = []
    for side in _SIDES:
        if not body.has(f"{side}_hip", f"{side}_knee"):
            continue
        hip, knee, ankle = (body.world[_J[f"{side}_{joint}"]] for joint in ("hip", "knee", "ankle"))
        thigh, shin = knee - hip, ankle - knee
        is_level = thigh[1] < 0.5 * np.linalg.norm(thigh)
        bend = float(thigh @ shin / (np.linalg.norm(thigh) * np.linalg.norm(shin) + 1e-6))
        bent.append(bool(is_level and bend < 0.6))
    if len(bent) == 2 and all(bent):
        return Finding(
            "W118", "the person is seated or squatting: the thighs are foreshortened, standing looks odd", 0.3
        )
    return None


def _several_people(num_others: int) -> Finding | None:
    if num_others == 0:
        return None
    others = "another person" if num_others == 1 else f"{num_others} other people"
    text = f"the photo shows {others}, who will stay in the background; --source-person tells whom to move"
    return Finding("W120", text, 0.1)


def _blur(rgb: UInt8Array, body: _Body, alpha: FloatArray | None) -> Finding | None:
    """Detail of the person's own scale: gradient at one pixel of a 400 px person against that at four."""
    scale = min(1.0, 400.0 / (2.8 * body.torso_px))
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    small = np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.float32)
    inside = _person_area(body, alpha, small.shape, scale)
    if inside.sum() < 200:
        return None
    fine = np.abs(small - cv2.GaussianBlur(small, (0, 0), 1.0))[inside].mean()
    coarse = np.abs(small - cv2.GaussianBlur(small, (0, 0), 8.0))[inside].mean()
    if fine / max(float(coarse), 1e-3) >= _BLUR_LIMIT * (1.0 if coarse > 2.0 else 0.0):
        return None
    return Finding("W119", "the person is blurred: the result can't be sharper", 0.2)


def _person_area(body: _Body, alpha: FloatArray | None, shape: tuple[int, ...], scale: float) -> npt.NDArray[np.bool_]:
    if alpha is not None:
        resized = cv2.resize(alpha, shape[::-1], interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.erode((resized > 0.9).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    area = np.zeros(shape, bool)
    corners = body.xy[[_J[f"{side}_{joint}"] for side in _SIDES for joint in ("shoulder", "hip")]] * scale
    x0, y0 = np.maximum(corners.min(0), 0).astype(int)
    x1, y1 = np.maximum(corners.max(0), 0).astype(int)
    area[y0:y1, x0:x1] = True
    return area


def _segments_cross(first: tuple[Array, Array], second: tuple[Array, Array]) -> bool:
    """Tell whether two line segments cross."""

    def side(a: Array, b: Array, point: Array) -> float:
        return float((b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]))

    return (
        side(*first, second[0]) * side(*first, second[1]) < 0 and side(*second, first[0]) * side(*second, first[1]) < 0
    )


def _in_trunk(body: _Body, point: Array) -> bool:
    """Tell whether a point lies inside the quadrilateral of shoulders and hips, well away from its edge."""
    names = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
    trunk = np.array([body.at(name) for name in names], np.float32)
    distance = cv2.pointPolygonTest(trunk, (float(point[0]), float(point[1])), measureDist=True)
    return bool(distance > 0.06 * body.torso_px)


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


_BODY_CHECKS: Final[tuple[Callable[[_Body], Finding | None], ...]] = (
    _crossed_arms, _hidden_limbs, _crossed_legs, _cropped, _turned_away, _head_turned, _too_small, _seated,
)  # fmt: skip
