"""Turning the head: yaw and nod of a face that one photo shows from one side.

The head's sheet gets a relief: how far each of its points stands out towards the camera from the head's outline. When
a head turns, points shift in proportion to their relief, which is the first order of rotating them about the head's
middle and projecting them along the line of sight. The outline, where the relief is 0, stays: a skull is as wide from
anywhere, and what comes to light behind it no photo shows. Hair beyond the skull hardly moves, the neck not at all.

The shift is linear in the turn, and so is the motion of the 11 face joints under a similarity and a turn together. Both
are therefore fitted at once, in closed form and without a start value. The joints' depths are left out: an estimator
gives them errors as large as the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from drn_core.prior.body import Body
from drn_core.prior.geometry import Array, apply_affine, fit_similarity, smoothstep
from drn_core.prior.parts import Layer, Part
from drn_core.prior.skinning import LayerMesh
from drn_core.prior.transforms import FACE_WEIGHTS
from drn_core.skeleton import FACE_JOINTS

__all__ = ["HeadRelief", "head_affine", "head_turn", "measure_head", "read_yaw"]

_FACE = list(FACE_JOINTS)
# The face joints of a frontal head about the middle of its ears, in half distances of the ears: right (of the picture),
# down, away from the camera. Medians of four development clips; away from the camera: their face meshes.
_FACE_SHAPE = np.array([
    [0.0, 0.19, -0.90],
    [0.31, -0.29, -0.38], [0.51, -0.29, -0.34], [0.69, -0.27, -0.28],
    [-0.31, -0.29, -0.38], [-0.51, -0.29, -0.34], [-0.69, -0.27, -0.28],
    [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0],
    [0.40, 0.79, -0.62], [-0.40, 0.79, -0.62],
])  # fmt: skip
# Greatest relief of a face, in the same unit; a bump of 0.2 or 0.35 for the nose made faces less like themselves.
_RELIEF = 0.75
# The photo's own view is sought among these yaws and nods, in degrees; heads are rarely bowed or thrown far back.
_YAWS, _NODS = np.arange(-100.0, 101.0, 5.0), np.arange(-40.0, 41.0, 10.0)
_NOD_SPREAD, _YAW_SPREAD = 20.0, 60.0
# Error of a face joint's reading, in half distances of the ears; spread of turns, as sines. A detector's 11 joints err
# together: they say as much as a few that err apart.
_READING_ERROR, _TURN_SPREAD, _NUM_APART = 0.07, 0.35, 3.0
# No turn is shown past this sine (32 degrees), nor one that leaves a triangle less than this share of its area.
_LARGEST_TURN, _LEAST_AREA = 0.53, 0.25
# A turn this small (as a sine) is as likely an error of reading: half of it is shown, and little of still smaller ones.
_DOUBTFUL_TURN = 0.2
# Seen more from the side than this (degrees; full, none), a head has no far side to turn to.
_PROFILE = (40.0, 65.0)
# Share of the head in a vertex's motion from which it has a relief (none, full).
_HEAD_SHARE = (0.2, 0.7)
# A head whose joints lie this far (mean, half distances of the ears; full, none) from where any view has them is read
# amiss, or from behind, where left and right have changed places.
_MISREAD = (0.2, 0.4)
# Share of the photo's face, kept upright, that the output's joints must still show (none, full) to be the same side.
_SAME_SIDE = (0.0, 0.3)
# A roll may differ by this many degrees from that of the line from forehead to chin (full, none).
_ROLL_DOUBT = (25.0, 60.0)
# Confidence of the face joints from which a turn is read (none, full).
_SEEN = (0.3, 0.7)


@dataclass(frozen=True)
class HeadRelief:
    """How far the head stands out towards the camera, and how far it may be turned.

    Attributes:
        vertices: (V,) float32 relief of the mesh's vertices in pixels of the photo; 0 off the head.
        joints: (11,) relief of the face joints.
        unit_px: half the distance of the ears, were the head seen from the front.
        down: (2,) unit vector from forehead to chin.
        limit: largest shift per relief (the sine of the turn); 0 where the photo shows no face to turn.
    """

    vertices: npt.NDArray[np.float32]
    joints: npt.NDArray[np.float64]
    unit_px: float
    down: npt.NDArray[np.float64]
    limit: float


@dataclass(frozen=True)
class _View:
    """How the photo shows the head.

    Attributes:
        middle: (2,) of the ears, in pixels.
        axes: (2, 2), the columns are unit vectors across and down the face.
        unit_px: half the distance of the ears, were the head seen from the front.
        yaw: degrees, positive to the right of the picture.
        error: root mean square distance of the joints from the standard head's, in units.
    """

    middle: npt.NDArray[np.float64]
    axes: npt.NDArray[np.float64]
    unit_px: float
    yaw: float
    error: float


def _rotated_shape(yaw: float, nod: float) -> npt.NDArray[np.float64]:
    """The face joints (11, 3) after a nod and a yaw in degrees: the nose goes down, then to the right."""
    cy, sy, cn, sn = np.cos(np.radians(yaw)), np.sin(np.radians(yaw)), np.cos(np.radians(nod)), np.sin(np.radians(nod))
    about_x = np.array([[1, 0, 0], [0, cn, -sn], [0, sn, cn]])
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    return np.asarray(_FACE_SHAPE @ (about_y @ about_x).T)


def _find_view(face: Array, weights: Array) -> _View:
    """Find yaw and nod of the photo's head: the view of the standard head that a similarity lays best on its joints."""
    weight = weights / weights.sum()
    costs, views = [], []
    for yaw, nod in product(_YAWS, _NODS):
        flat = _rotated_shape(yaw, nod)[:, :2]
        affine = fit_similarity(flat, face, weight, (1e-3, 1e6))
        unit_px = float(np.hypot(affine[0, 0], affine[1, 0]))
        squared = float(weight @ ((apply_affine(affine, flat) - face) ** 2).sum(1)) / unit_px**2
        costs.append(squared / _READING_ERROR**2 + 0.1 * ((nod / _NOD_SPREAD) ** 2 + (yaw / _YAW_SPREAD) ** 2))
        views.append(_View(affine[:, 2], affine[:, :2] / unit_px, unit_px, float(yaw), float(np.sqrt(squared))))
    return views[int(np.argmin(costs))]


def _view_of(body: Body) -> tuple[_View, npt.NDArray[np.float64]]:
    """How the photo shows the head, and how sure its joints (11,) are."""
    sure = np.clip(body.confidence[_FACE], 0.02, 1.0)
    return _find_view(body.keypoints[_FACE], np.asarray(FACE_WEIGHTS * sure, np.float64)), np.asarray(sure)


def read_yaw(body: Body) -> float:
    """Return how far the photo's head is turned, in degrees, positive to the right of the picture."""
    return _view_of(body)[0].yaw


def _relief(view: _View, points: Array) -> npt.NDArray[np.float64]:
    """Relief of points (N, 2) in half distances of the ears."""
    sin, cos = np.sin(np.radians(view.yaw)), np.cos(np.radians(view.yaw))
    x, y = ((points - view.middle) @ view.axes / view.unit_px).T
    x = x + 0.2 * sin  # the skull's middle is behind the ears
    wide = np.hypot(1.45 * cos, 1.75 * sin)
    across = np.maximum(0.0, 1 - (x / wide) ** 2) ** 2
    along = smoothstep(y, -2.3, -0.9) * (1 - smoothstep(y, 1.3, 2.4))
    return np.asarray(_RELIEF * across * along)


def measure_head(body: Body, mesh: LayerMesh) -> HeadRelief:
    """Measure the relief of the photo's head.

    Args:
        body: the body in the photo.
        mesh: its mesh, in the same pixels.

    Returns:
        The relief; its limit is 0 where there is no face to turn.
    """
    view, sure = _view_of(body)
    face = body.keypoints[_FACE]
    on_sheet = np.zeros(len(mesh.source_xy), bool)
    on_sheet[mesh.triangles[mesh.triangle_layer == Layer.TORSO]] = True
    share = smoothstep(mesh.weights[:, Part.HEAD], *_HEAD_SHARE)
    vertices = (_relief(view, mesh.source_xy) * share * on_sheet * view.unit_px).astype(np.float32)
    seen = float(smoothstep(float(np.median(sure)), *_SEEN))
    shown = float((1.0 - smoothstep(abs(view.yaw), *_PROFILE)) * (1.0 - smoothstep(view.error, *_MISREAD)))
    slope = _steepest(mesh, vertices)
    return HeadRelief(
        vertices=vertices,
        joints=_relief(view, face) * view.unit_px,
        unit_px=view.unit_px,
        down=view.axes[:, 1],
        limit=min(_LARGEST_TURN, (1 - _LEAST_AREA) / max(slope, 1e-6)) * seen * shown,
    )


def _steepest(mesh: LayerMesh, relief: npt.NDArray[np.float32]) -> float:
    """Greatest slope of the relief on any triangle: a turn t changes a triangle's area by 1 + t . slope."""
    corners, heights = mesh.source_xy[mesh.triangles].astype(np.float64), relief[mesh.triangles].astype(np.float64)
    edge1, edge2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    rise1, rise2 = heights[:, 1] - heights[:, 0], heights[:, 2] - heights[:, 0]
    area = edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0]
    slope = np.stack([rise1 * edge2[:, 1] - rise2 * edge1[:, 1], rise2 * edge1[:, 0] - rise1 * edge2[:, 0]], 1)
    return float((np.linalg.norm(slope, axis=1) / np.abs(area)).max(initial=0.0))


def _fitted_turn(head: HeadRelief, source: Array, target: Array, weights: Array) -> tuple[complex, complex]:
    """Similarity and turn that explain the target's face joints best, by linear least squares.

    With points as complex numbers, target = m (source + relief turn) + b, where m rotates and scales: the unknowns m, b
    and m turn are linear.
    """
    weight = weights / weights.sum()
    p, q = (((xy - weight @ xy) / head.unit_px) @ [1, 1j] for xy in (source, target))
    basis = np.stack([p, (head.joints - weight @ head.joints) / head.unit_px], 1)
    normal = basis.conj().T @ (weight[:, None] * basis)
    normal[1, 1] += (_READING_ERROR / _TURN_SPREAD) ** 2 / _NUM_APART
    similarity, moved = np.linalg.solve(normal, basis.conj().T @ (weight * q))
    return complex(similarity), complex(moved / similarity) if abs(similarity) > 1e-6 else 0j


def head_turn(head: HeadRelief, body: Body, target: Array, confidence: Array) -> npt.NDArray[np.float64]:
    """Find how far the head is turned from the photo's own view.

    Args:
        head: the photo's head.
        body: the body in the photo.
        target: (33, 2) output keypoints.
        confidence: (33,) of the output's joints.

    Returns:
        (2,) the shift of the photo's points per pixel of relief: about the sines of yaw (to the right of the picture)
        and nod, in the photo's axes, softly limited and less than that where it is small.
    """
    sure = np.clip(np.minimum(body.confidence, confidence)[_FACE], 0.02, 1.0)
    limit = head.limit * float(smoothstep(float(np.median(sure)), *_SEEN))
    if limit <= 0.0:
        return np.zeros(2)
    goal = np.asarray(target, np.float64)[_FACE]
    similarity, turn = _fitted_turn(head, body.keypoints[_FACE], goal, FACE_WEIGHTS * sure)
    limit *= float(smoothstep(similarity.real, *_SAME_SIDE))
    if limit <= 0.0:
        return np.zeros(2)
    turn *= abs(turn) ** 3 / (abs(turn) ** 3 + _DOUBTFUL_TURN**3)
    turn *= limit / (limit**3 + abs(turn) ** 3) ** (1 / 3)
    return np.array([turn.real, turn.imag])


def head_affine(head: HeadRelief, body: Body, target: Array, turn: Array, scale: float) -> npt.NDArray[np.float64]:
    """Place the turned head: the similarity that fits the face joints best, kept the right way up.

    A profile and its mirror image are alike when one of them is upside down. How high the joints are on the face does
    not change when the head turns, so they tell which way is down; a roll that contradicts them gives way to theirs.

    Args:
        head: the photo's head.
        body: the body in the photo.
        target: (33, 2) output keypoints.
        turn: (2,) from `head_turn`.
        scale: size of the person in the output over its size in the photo.

    Returns:
        (2, 3) photo pixels to output pixels.
    """
    source, goal = body.keypoints[_FACE] + head.joints[:, None] * turn, np.asarray(target, np.float64)[_FACE]
    affine = fit_similarity(source, goal, FACE_WEIGHTS, (0.85 * scale, 1.15 * scale))
    weight = FACE_WEIGHTS / FACE_WEIGHTS.sum()
    middle, goal_middle = weight @ source, weight @ goal
    offsets = goal - goal_middle
    covariance = (offsets * weight[:, None]).T @ offsets
    ridge = 1e-3 * (np.trace(covariance) + 1e-6) * np.eye(2)
    down = np.linalg.solve(covariance + ridge, offsets.T @ (weight * ((source - middle) @ head.down)))
    fitted = affine[:, :2] @ head.down
    excess = np.arctan2(down[0] * fitted[1] - down[1] * fitted[0], down @ fitted)
    doubt = float(smoothstep(abs(np.degrees(excess)), *_ROLL_DOUBT))
    if doubt == 0.0:
        return affine
    cos, sin = np.cos(doubt * excess), np.sin(doubt * excess)
    matrix = np.array([[cos, sin], [-sin, cos]]) @ affine[:, :2]
    return np.column_stack([matrix, goal_middle - matrix @ middle])
