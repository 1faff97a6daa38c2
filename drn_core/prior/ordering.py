"""Which layer covers which: depths of parts and layers, and an order that doesn't flicker."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drn_core.prior.body import NO_HEM, Body
from drn_core.prior.geometry import Array
from drn_core.prior.parts import LIMBS, NUM_PARTS, SEGMENTS, Layer, Part
from drn_core.skeleton import FACE_JOINTS, JOINT_INDEX

__all__ = ["keep_hidden", "keep_shown", "layer_depths", "part_depths", "stable_orders"]

_SHOULDERS = (JOINT_INDEX["left_shoulder"], JOINT_INDEX["right_shoulder"])
_HIPS = (JOINT_INDEX["left_hip"], JOINT_INDEX["right_hip"])

# In torso lengths. An estimator's depth is rough, and most arms are in front: arms get the benefit of the doubt.
# Legs are behind the trunk's hem unless the knee is clearly nearer, as in a squat.
_ARM_BIAS, _LEG_BIAS = -0.25, 0.35
# A hidden sheet begins this far behind the trunk, unless the driver has it nearer than the second figure.
_HIDDEN_DEPTH, _CLEARLY_FRONT = 0.1, -0.6
# A sheet that the photo shows before the trunk begins this near, unless it is estimated farther than the second figure.
_SHOWN_DEPTH, _CLEARLY_BEHIND = -0.1, 0.3
# The order of two layers changes only when their depths differ by this much the other way.
_HYSTERESIS = 0.08


def part_depths(depth: Array) -> npt.NDArray[np.float32]:
    """Depth of each part: the mean of its joints' depths.

    Args:
        depth: (33,) depth of the joints, smaller is nearer.

    Returns:
        (15,) float32.
    """
    result = np.zeros(NUM_PARTS, np.float32)
    result[Part.CHEST], result[Part.PELVIS] = depth[list(_SHOULDERS)].mean(), depth[list(_HIPS)].mean()
    result[Part.HEAD] = depth[list(FACE_JOINTS)].mean()
    for part, joints in SEGMENTS.items():
        result[part] = depth[list(joints)].mean()
    for limb in LIMBS:
        result[limb.parts[2]] = depth[[limb.tip, *limb.ends]].mean()
    return result


def layer_depths(body: Body, depth: Array) -> npt.NDArray[np.float32]:
    """Depth of each layer against the trunk, in torso lengths, with the layers' biases.

    Args:
        body: the body in the photo (whether hips are seen, the unit).
        depth: (T, 33) depth of the output's joints in pixels of the photo's scale.

    Returns:
        (T, 9) float32, indexed by `Layer`; the torso is 0.
    """
    trunk = depth[:, [*_SHOULDERS, *_HIPS]].mean(1) if body.has_hips else depth[:, list(_SHOULDERS)].mean(1)
    result = np.zeros((len(depth), len(Layer)), np.float32)
    for limb in LIMBS:
        joints = [limb.root, limb.middle, limb.tip]
        root, middle, tip = ((depth[:, joint] - trunk) / body.torso_length for joint in joints)
        if limb.is_arm:
            result[:, limb.upper_layer] = 0.4 * root + 0.6 * middle + _ARM_BIAS
            result[:, limb.lower_layer] = 0.3 * middle + 0.7 * tip + _ARM_BIAS
        else:
            if body.hem > NO_HEM:  # legs stay behind their skirt
                middle, tip = np.maximum(middle, 0.0), np.maximum(tip, 0.0)
            knee = middle + _LEG_BIAS
            result[:, limb.upper_layer] = np.where(knee < 0, knee, 0.01 + 0.005 * (middle + tip) / 2)
            result[:, limb.lower_layer] = np.where(knee < 0, knee + 0.01, 0.02 + 0.005 * tip)
    return result


def keep_hidden(depths: npt.NDArray[np.float32], hidden: tuple[Layer, ...], reference: int) -> npt.NDArray[np.float32]:
    """Put sheets that the photo hides behind the trunk where the motion begins from the photo's pose.

    The front bias of arms is wrong for an arm that the photo shows to be hidden, unless the driver clearly has it in
    front.

    Args:
        depths: (T, 9) from `layer_depths`.
        hidden: the sheets that the photo hides.
        reference: the frame that is laid onto the photo.

    Returns:
        (T, 9) float32.
    """
    result = depths.copy()
    _put_behind(result, hidden, reference, _HIDDEN_DEPTH, _CLEARLY_FRONT)
    return result


def keep_shown(depths: npt.NDArray[np.float32], shown: tuple[Layer, ...], reference: int) -> npt.NDArray[np.float32]:
    """Put arms that the photo shows before the trunk there where the motion begins from the photo's pose.

    Args:
        depths: (T, 9) from `layer_depths`.
        shown: the sheets that the photo shows where the trunk would be seen without them.
        reference: the frame that is laid onto the photo.

    Returns:
        (T, 9) float32.
    """
    mirrored = -depths  # nearer is farther
    _put_behind(mirrored, shown, reference, -_SHOWN_DEPTH, -_CLEARLY_BEHIND)
    return -mirrored


def _put_behind(
    depths: npt.NDArray[np.float32], layers: tuple[Layer, ...], reference: int, least: float, unless: float
) -> None:
    """Shift sheets, in place, to at least a depth in the reference frame; those above `unless` there stay."""
    for layer in layers:
        at_reference = float(depths[reference, layer])
        if at_reference > unless:
            depths[:, layer] += max(0.0, least - at_reference)


def stable_orders(depths: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Sort layers back to front in every frame, keeping the last frame's order while depths are close.

    Args:
        depths: (T, L) depth of each layer, smaller is nearer.

    Returns:
        (T, L) layer ids, back to front.
    """
    num_frames, num_layers = depths.shape
    orders = np.zeros((num_frames, num_layers), np.int64)
    current = np.argsort(-depths[0], kind="stable") if num_frames else np.arange(num_layers)
    for frame in range(num_frames):
        current = _reorder(current, depths[frame])
        orders[frame] = current
    return orders


def _reorder(order: npt.NDArray[np.int64], depth: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Insertion sort that swaps neighbours only when they are out of order by more than the hysteresis."""
    result = order.copy()
    for end in range(1, len(result)):
        position = end
        while position and depth[result[position - 1]] < depth[result[position]] - _HYSTERESIS:
            result[[position - 1, position]] = result[[position, position - 1]]
            position -= 1
    return result
