"""Arms bent before the trunk: their sheets, the elbow when they are straightened, and the trunk behind them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from drn_core.prior.body import measure_body, measure_fields, middle_bones
from drn_core.prior.cloth import fill_garment, fill_plain
from drn_core.prior.face_mirror import hidden_head
from drn_core.prior.hands import cut_hand
from drn_core.prior.outline import colour_space, trace_arm
from drn_core.prior.parts import LIMBS, Layer, Part
from drn_core.prior.person import PersonLayers, build_person
from drn_core.prior.render import PriorRenderer, skin_vertices
from drn_core.prior.segmentation import (
    Segmentation,
    _near,
    pixel_grid,
    segment_layers,
)
from drn_core.prior.strays import blurred_rim, give_away, return_islands, take_own_colour
from drn_core.prior.transforms import part_transforms
from drn_core.prior.trunk import joint_disc
from drn_core.skeleton import JOINT_INDEX
from tests.helpers.figure import ROOM, SHIRT, SIZE_HW, SKIN, Figure, figure, joints

ARMS = (Layer.LEFT_UPPER_ARM, Layer.LEFT_LOWER_ARM, Layer.RIGHT_UPPER_ARM, Layer.RIGHT_LOWER_ARM)
LEFT_ARM = LIMBS[0]


def _clasped() -> np.ndarray:
    """Joints of the figure with its hands before its belly."""
    points = joints()
    for side, sign in (("left", 1), ("right", -1)):
        for name, x, y in (
            ("elbow", 72, 192), ("wrist", 26, 188), ("pinky", 10, 186), ("index", 8, 182), ("thumb", 14, 180),
        ):  # fmt: skip
            points[JOINT_INDEX[f"{side}_{name}"]] = 180 + sign * x, y
    return points


def _straightened(points: np.ndarray) -> np.ndarray:
    """The same with the left arm straight out, obliquely down."""
    straight = points.copy()
    direction = np.array([0.8, 0.6])
    chain = [JOINT_INDEX[f"left_{name}"] for name in ("shoulder", "elbow", "wrist")]
    for near, far in itertools.pairwise(chain):
        straight[far] = straight[near] + np.linalg.norm(points[far] - points[near]) * direction
    for name in ("pinky", "index", "thumb"):
        straight[JOINT_INDEX[f"left_{name}"]] = straight[chain[-1]] + 14 * direction
    return straight


@pytest.fixture(scope="module")
def drawn() -> Figure:
    return figure(_clasped())


@pytest.fixture(scope="module")
def segmentation(drawn: Figure) -> Segmentation:
    pose = drawn.pose
    body = measure_body(pose.keypoints, pose.confidence, pose.depth, drawn.alpha > 0.5)
    return segment_layers(body, drawn.alpha > 0.3, drawn.rgb)


def _render(person: PersonLayers, keypoints: np.ndarray, background: np.ndarray) -> np.ndarray:
    renderer = PriorRenderer(person, SIZE_HW)
    order = np.array([5, 6, 7, 8, 0, 3, 4, 1, 2])  # legs, trunk, arms
    frame = renderer.pose(keypoints, np.zeros(33, np.float32), order)
    return renderer.paint(frame, torch.from_numpy(background)).numpy()


def _line_mask(points: np.ndarray, names: tuple[str, str], width: int) -> np.ndarray:
    mask = np.zeros(SIZE_HW, np.uint8)
    ends = [tuple(int(v) for v in np.round(points[JOINT_INDEX[name]])) for name in names]
    cv2.line(mask, ends[0], ends[1], 1, width)
    return mask > 0


def _areas(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Signed areas (F,) of triangles."""
    (x0, y0), (x1, y1), (x2, y2) = (vertices[triangles[:, i]].T for i in range(3))
    return (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)


class TestSheets:
    @pytest.mark.parametrize("layer", ARMS)
    def test_a_sheet_is_one_piece(self, person: PersonLayers, layer: Layer) -> None:
        solid = (person.textures[layer, ..., 3] > 128).astype(np.uint8)
        num, _, stats, _ = cv2.connectedComponentsWithStats(solid)
        assert num >= 2
        assert stats[1:, cv2.CC_STAT_AREA].max() >= 0.99 * solid.sum()

    def test_no_pixel_has_two_owners(self, segmentation: Segmentation, drawn: Figure) -> None:
        owners = np.sum([mask for mask in segmentation.owned.values()], 0)
        assert owners.max() == 1
        assert owners[drawn.alpha > 0.3].min() == 1

    def test_the_forearm_is_cut_at_its_edges(self, segmentation: Segmentation) -> None:
        truth = _line_mask(_clasped(), ("left_elbow", "left_wrist"), 22)
        middle = truth & (np.arange(SIZE_HW[1]) < 240) & (np.arange(SIZE_HW[1]) > 212)
        band = cv2.dilate(middle.astype(np.uint8), np.ones((31, 1), np.uint8)) > 0
        own = segmentation.owned[Layer.LEFT_LOWER_ARM] & band
        assert (own & truth).sum() / (own | (truth & band)).sum() > 0.85

    def test_touching_hands_are_divided(self, segmentation: Segmentation) -> None:
        left = segmentation.owned[Layer.LEFT_LOWER_ARM]
        right = segmentation.owned[Layer.RIGHT_LOWER_ARM]
        assert left[:, :170].sum() == 0
        assert right[:, 190:].sum() == 0
        assert 0.7 < left.sum() / right.sum() < 1.4

    def test_half_widths_are_those_drawn(self, drawn: Figure) -> None:
        pose = drawn.pose
        body = measure_body(pose.keypoints, pose.confidence, pose.depth, drawn.alpha > 0.5)
        outline = trace_arm(body, LEFT_ARM, drawn.alpha > 0.3, colour_space(drawn.rgb))
        assert outline.half_widths[1] == pytest.approx(11, abs=2.5)
        assert np.abs(outline.off_middle).max() < 5


class TestElbow:
    def test_the_photos_own_pose_is_the_photo(self, person: PersonLayers, drawn: Figure) -> None:
        result = _render(person, _clasped(), np.full((*SIZE_HW, 3), ROOM, np.uint8)).astype(float)
        inside = cv2.erode((drawn.alpha > 0.99).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        error = ((result - drawn.rgb) ** 2)[inside].mean()
        assert 10 * np.log10(255**2 / error) > 36

    def test_outline_runs_on_when_the_arm_is_straightened(self, person: PersonLayers) -> None:
        straight = _straightened(_clasped())
        black = np.zeros((*SIZE_HW, 3), np.uint8)
        image = _render(person, straight, black)
        start, end = (straight[JOINT_INDEX[f"left_{name}"]].astype(float) for name in ("shoulder", "wrist"))
        direction = (end - start) / np.linalg.norm(end - start)
        side = np.array([-direction[1], direction[0]])
        along = np.linspace(0.35, 0.9, 60)
        reaches = np.zeros((2, len(along)))
        for i, share in enumerate(along):
            for j, sign in enumerate((1, -1)):
                steps = start + share * (end - start) + sign * np.arange(40)[:, None] * side
                x, y = np.round(steps).astype(int).T
                shown = image[np.clip(y, 0, SIZE_HW[0] - 1), np.clip(x, 0, SIZE_HW[1] - 1)].max(1) > 60
                reaches[j, i] = 40 if shown.all() else (~shown).argmax()
        assert reaches.min() >= 6  # never pinched
        assert reaches.max() <= 22  # nothing stands out
        assert np.abs(reaches[:, 5:] - reaches[:, :-5]).max() <= 7  # no step within 7 px along the arm

    def test_a_straight_arm_is_folded_without_folding_its_mesh(self) -> None:
        person, folded = build_person(figure().source), joints()
        shoulder, elbow, wrist = (folded[JOINT_INDEX[f"left_{name}"]].copy() for name in ("shoulder", "elbow", "wrist"))
        hand = [JOINT_INDEX[f"left_{name}"] for name in ("wrist", "pinky", "index", "thumb")]
        folded[hand] += elbow + (shoulder - elbow) * 0.8 + np.array([20, -20]) - wrist
        moved = skin_vertices(person, part_transforms(person.body, folded))
        source_xy = person.mesh.source_xy
        triangles = person.mesh.triangles[np.isin(person.mesh.triangle_layer, LEFT_ARM.layers)]
        triangles = triangles[np.linalg.norm(source_xy[triangles].mean(1) - elbow, axis=1) < 30]
        assert (_areas(moved, triangles) / _areas(source_xy, triangles)).min() > 0.5

    def test_moved_middles_leave_the_photos_pose_alone(self, person: PersonLayers) -> None:
        assert any(abs(offset) > 0 for offset in person.body.off_middle.values())
        affines = part_transforms(person.body, _clasped())
        identity = np.column_stack([np.eye(2), np.zeros(2)])
        assert affines[Part.LEFT_UPPER_ARM : Part.LEFT_HAND] == pytest.approx(
            np.broadcast_to(identity, (2, 2, 3)), abs=0.05
        )

    def test_middles_cross_at_the_new_elbow(self, person: PersonLayers) -> None:
        right_angle = joints()
        chain = [JOINT_INDEX[f"left_{name}"] for name in ("shoulder", "elbow", "wrist")]
        right_angle[chain] = [[100, 100], [100, 160], [40, 160]]
        # both parts lie 5 px to the side of `perpendicular`: left of a bone that runs down, above one that runs left
        body = replace(person.body, off_middle={Part.LEFT_UPPER_ARM: 5.0, Part.LEFT_FOREARM: 5.0})
        moved = middle_bones(body, right_angle, LEFT_ARM)
        assert moved == pytest.approx(np.array([[95, 100], [96, 156], [40, 155]]))


class TestTrunkBehind:
    def test_a_plain_hole_takes_no_colour_from_a_strand_that_touches_it(self) -> None:
        cloth = np.full((120, 120, 3), (200, 120, 20), np.uint8)
        cloth[:50, 58:63] = 20
        hole = np.zeros((120, 120), bool)
        hole[50:90, 40:80] = True
        filled = fill_plain(cloth, ~hole, hole)
        assert np.abs(filled[hole].astype(int) - (200, 120, 20)).max() <= 12
        assert (filled[~hole] == cloth[~hole]).all()

    def test_a_vivid_cloth_is_known_by_its_hue_in_bright_light(self) -> None:
        cloth = np.full((120, 100, 3), (150, 90, 20), np.uint8)
        cloth[:30] = (245, 165, 40)  # the sun on the shoulders
        hole = np.zeros((120, 100), bool)
        hole[30:80, 20:80] = True
        filled = fill_plain(np.where(hole[..., None], 128, cloth).astype(np.uint8), ~hole, hole).astype(int)
        assert np.abs(filled[30, 30:70] - cloth[0, 0]).mean() < 40
        assert np.abs(filled[78, 30:70] - cloth[119, 0]).mean() < 25

    def test_a_print_is_not_painted_over(self) -> None:
        stripes = np.full((120, 120, 3), 240, np.uint8)
        stripes[(np.arange(120) // 6) % 2 == 0] = (20, 30, 120)
        hole = np.zeros((120, 120), bool)
        hole[40:80, 50:56] = True
        scarred = stripes.copy()
        scarred[hole] = SKIN
        filled = fill_garment(scarred, ~hole, hole)
        assert np.abs(filled[hole].astype(int) - stripes[hole]).mean() < 40

    def test_a_jacket_over_a_striped_shirt_is_plain_where_it_is(self) -> None:
        picture = np.full((120, 160, 3), (200, 40, 40), np.uint8)
        picture[:, :80][(np.arange(120) // 6) % 2 == 0] = 240  # the shirt
        picture[:40, 118:122] = 240  # a lace that hangs down to where an arm hides the jacket
        hole = np.zeros((120, 160), bool)
        hole[40:90, 100:140] = True
        filled = fill_garment(np.where(hole[..., None], SKIN, picture).astype(np.uint8), ~hole, hole)
        assert np.abs(filled[hole].astype(int) - (200, 40, 40)).max() <= 24


def test_what_a_hand_hides_of_a_head_is_as_wide_as_its_other_side() -> None:
    drawn = figure()
    pose, points = drawn.pose, pixel_grid(SIZE_HW)
    body = measure_body(pose.keypoints, pose.confidence, pose.depth, drawn.alpha > 0.5)
    head, hand = np.zeros(SIZE_HW, np.uint8), np.zeros(SIZE_HW, np.uint8)
    cv2.ellipse(head, (180, 66), (24, 30), 0, 0, 360, 1, -1)
    cv2.circle(hand, (212, 62), 26, 1, -1)
    away = measure_fields(body, points).parts[Part.HEAD]
    claimed = ((head | hand) > 0) & hidden_head(body, away, points, (head & ~hand) > 0, None)
    assert claimed[(hand & head) > 0].mean() > 0.95
    assert claimed[(hand & ~head) > 0].mean() < 0.05


def test_specks_of_trunk_beyond_an_arm_go_with_the_arm(segmentation: Segmentation) -> None:
    owned = {layer: mask.copy() for layer, mask in segmentation.owned.items()}
    fields = measure_fields(segmentation.body, pixel_grid(SIZE_HW))
    rows, columns = np.nonzero(owned[Layer.LEFT_UPPER_ARM])
    farthest = int(columns.argmax())
    speck = np.s_[rows[farthest] - 1 : rows[farthest] + 2, columns[farthest] + 1 : columns[farthest] + 4]
    owned[Layer.TORSO][speck] = True
    trunk = segmentation.owned[Layer.TORSO]
    return_islands(segmentation.body, owned, _near(fields))
    assert owned[Layer.LEFT_UPPER_ARM][speck].all()
    assert not owned[Layer.TORSO][speck].any()
    assert (owned[Layer.TORSO] & trunk).sum() > 0.99 * trunk.sum()


def test_a_rim_of_the_arm_does_not_stay_on_the_trunk(drawn: Figure, segmentation: Segmentation) -> None:
    body = measure_body(drawn.pose.keypoints, drawn.pose.confidence, drawn.pose.depth, drawn.alpha > 0.5)
    fields = measure_fields(body, pixel_grid(SIZE_HW))
    forearm = segmentation.owned[Layer.LEFT_LOWER_ARM]
    rim = forearm & ~(cv2.erode(forearm.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    owned = dict(segmentation.owned)
    owned[Layer.LEFT_LOWER_ARM], owned[Layer.TORSO] = forearm & ~rim, owned[Layer.TORSO] | rim
    take_own_colour(owned, body, fields, drawn.rgb, {})
    beside_shirt = rim & (cv2.dilate(segmentation.owned[Layer.TORSO].astype(np.uint8), np.ones((5, 5))) > 0)
    is_skin = np.abs(drawn.rgb.astype(int) - SKIN).max(-1) < 8
    assert (beside_shirt & is_skin).sum() > 25
    assert owned[Layer.LEFT_LOWER_ARM][beside_shirt & is_skin].mean() > 0.9
    shirt = segmentation.owned[Layer.TORSO] & (np.abs(drawn.rgb.astype(int) - SHIRT).max(-1) < 8)
    assert owned[Layer.TORSO][shirt].all()


def test_cloth_beside_a_hand_goes_to_the_trunk(drawn: Figure, segmentation: Segmentation) -> None:
    fields = measure_fields(segmentation.body, pixel_grid(SIZE_HW))
    arm = segmentation.owned[LEFT_ARM.lower_layer]
    around = cv2.dilate(arm.astype(np.uint8), np.ones((13, 13))) > 0
    lost = around & ~arm & (fields.parts[LEFT_ARM.parts[2]] < fields.parts[LEFT_ARM.parts[1]])
    fingers = lost & (np.arange(SIZE_HW[0])[:, None] < 182)
    rgb = np.where((arm | fingers)[..., None], SKIN, SHIRT).astype(np.uint8)
    owned = {layer: np.zeros_like(arm) for layer in Layer}
    owned[LEFT_ARM.lower_layer], owned[Layer.TORSO] = arm | lost, ~arm & ~lost
    give_away(owned, LEFT_ARM, lost, np.zeros_like(lost), _near(fields), fields, rgb)
    assert (lost & fingers).sum() > 50
    assert (lost & ~fingers).sum() > 50
    assert owned[LEFT_ARM.lower_layer][fingers].mean() > 0.9
    assert owned[Layer.TORSO][lost & ~fingers].mean() > 0.9


def test_a_print_of_the_arms_colour_does_not_stick_out_of_it(drawn: Figure, segmentation: Segmentation) -> None:
    fields = measure_fields(segmentation.body, pixel_grid(SIZE_HW))
    forearm = segmentation.owned[Layer.LEFT_LOWER_ARM]
    rows, columns = np.nonzero(forearm & segmentation.wanted[Layer.TORSO])
    column = int(np.median(columns))
    bottom = int(rows[columns == column].max()) + 1
    stripe = np.zeros(SIZE_HW, bool)
    stripe[bottom : bottom + 12, column - 1 : column + 2] = True
    stripe &= segmentation.owned[Layer.TORSO]
    rgb = np.where(stripe[..., None], SKIN, drawn.rgb).astype(np.uint8)
    owned = dict(segmentation.owned)
    take_own_colour(owned, segmentation.body, fields, rgb, {})
    assert stripe.sum() > 20
    assert owned[Layer.TORSO][stripe].mean() > 0.7


@pytest.mark.parametrize("print_reach", [1.0, 1.2])
def test_a_print_beside_a_hand_is_not_the_hands(segmentation: Segmentation, print_reach: float) -> None:
    pale, skin, black = (190, 182, 172), (190, 140, 115), (45, 48, 50)
    points = pixel_grid(SIZE_HW)
    fields = measure_fields(segmentation.body, points)
    hand, forearm = (fields.parts[LEFT_ARM.parts[i]] for i in (2, 1))
    is_print, is_bare = hand < print_reach, (hand < 0.5) | (forearm < 0.5)
    is_print[125:150, 150:210] = True  # the same print where no hand is
    rgb = np.where(is_bare[..., None], skin, np.where(is_print[..., None], pale, black)).astype(np.uint8)
    wrist = joint_disc(points, segmentation.body, LEFT_ARM.tip, 11.0)
    cut = cut_hand(LEFT_ARM, fields, _near(fields), wrist, forearm < 0.5, np.ones(SIZE_HW, bool), rgb)
    assert not (cut.hand & ~is_bare).any()
    assert cut.hand[is_bare & (hand < 0.4)].mean() > 0.8
    assert cut.cloth[is_print & ~is_bare & (hand < 0.9)].mean() > 0.95
    assert not (cut.cloth & is_bare).any()


class TestBlurredHand:
    """A hand that moved while the photo was taken has left its colour on the cloth around it."""

    HAND = np.zeros((120, 120), bool)
    HAND[40:80, 40:80] = True

    def _picture(self, cloth: np.ndarray) -> np.ndarray:
        share = cv2.GaussianBlur(self.HAND.astype(np.float32), (0, 0), 5.0)[..., None]
        share = np.maximum(share, self.HAND[..., None])
        return np.round(share * np.array(SKIN) + (1 - share) * cloth).astype(np.uint8)

    def test_it_is_taken_off_plain_cloth(self) -> None:
        rgb = self._picture(np.full((120, 120, 3), (40, 60, 140)))
        blurred = blurred_rim(rgb, ~self.HAND, self.HAND, 16)
        assert blurred[60, 81:84].all()
        assert not blurred[60, 92:].any()

    def test_nothing_is_taken_off_a_print_of_such_colours(self) -> None:
        dark, halfway = np.array((40, 60, 140)), (np.array((40, 60, 140)) + SKIN) / 2
        stripes = np.where((np.arange(120) // 4 % 2 == 0)[:, None, None], dark, halfway)
        rgb = np.where(self.HAND[..., None], SKIN, np.broadcast_to(stripes, (120, 120, 3))).astype(np.uint8)
        assert not blurred_rim(rgb, ~self.HAND, self.HAND, 16).any()

    def test_a_sharp_edge_costs_nothing(self) -> None:
        rgb = np.where(self.HAND[..., None], SKIN, (40, 60, 140)).astype(np.uint8)
        assert not blurred_rim(rgb, ~self.HAND, self.HAND, 16).any()
