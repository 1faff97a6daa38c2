"""Pairs and clips: determinism, labels, joints, mirror images, bad arguments."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import cv2
import numpy as np
import pytest

from drn_core.data.synthetic import (
    BACKGROUND,
    NUM_PARTS,
    PART_MIRROR,
    Part,
    SyntheticConfig,
    SyntheticPair,
    SyntheticPeople,
    mirrored,
)
from drn_core.data.synthetic.__main__ import main
from drn_core.data.synthetic.contact_sheet import COLUMNS
from drn_core.data.synthetic.motions import MOTIONS, draw_motion
from drn_core.data.synthetic.pose_families import FAMILIES, draw_pose
from drn_core.skeleton import JOINT_INDEX, MIRROR

SMALL = SyntheticConfig(size_hw=(128, 96), pairs_per_identity=2, texture_size=128)


def _checksums(task: tuple[int, tuple[int, ...]]) -> list[float]:
    seed, indices = task
    people = SyntheticPeople(SMALL, seed)
    return [
        float(sum(np.abs(np.asarray(value, np.float64)).sum() for value in vars(people.pair(index)).values()))
        for index in indices
    ]


@pytest.fixture(scope="module")
def pairs() -> list[SyntheticPair]:
    people = SyntheticPeople(SMALL, seed=5)
    return [people.pair(index) for index in range(12)]


def test_a_pair_depends_on_seed_and_index_alone(pairs: list[SyntheticPair]) -> None:
    again = SyntheticPeople(SMALL, seed=5)
    for index in (7, 2):
        for name, value in vars(again.pair(index)).items():
            # sums of floats may round differently where memory lies differently; anything else differs by far more
            exact = not np.issubdtype(np.asarray(value).dtype, np.floating)
            np.testing.assert_allclose(value, getattr(pairs[index], name), 0.0, 0.0 if exact else 1e-5, err_msg=name)
    other = SyntheticPeople(SMALL, seed=6).pair(2)
    assert not np.array_equal(other.source_image, pairs[2].source_image)


def test_processes_agree() -> None:
    alone = _checksums((5, (0, 3, 4)))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second, third = pool.map(_checksums, [(5, (0,)), (5, (3,)), (5, (4,))], chunksize=1)
    assert [*first, *second, *third] == alone


def test_shapes_and_types(pairs: list[SyntheticPair]) -> None:
    pair = pairs[0]
    assert pair.source_image.shape == pair.background.shape == (128, 96, 3)
    assert pair.source_image.dtype == pair.source_parts.dtype == pair.visibility_codes.dtype == np.uint8
    assert pair.flow.shape == (128, 96, 2)
    assert pair.flow.dtype == pair.visibility.dtype == pair.source_mask.dtype == np.float32
    assert pair.source_coords.shape == (128, 96, 3)
    assert pair.source_keypoints.shape == pair.source_observed.shape == (33, 2)
    assert pair.source_confidence.shape == pair.source_depths.shape == pair.source_visible.shape == (33,)


def test_parts_cover_the_mask(pairs: list[SyntheticPair]) -> None:
    for pair in pairs:
        for mask, parts in ((pair.source_mask, pair.source_parts), (pair.target_mask, pair.target_parts)):
            assert parts.max() < NUM_PARTS
            assert (parts[mask == 1] != Part.BACKGROUND).mean() > 0.995
            assert (parts[mask == 0] == Part.BACKGROUND).mean() > 0.998
        np.testing.assert_array_equal(pair.target_parts == Part.BACKGROUND, pair.visibility_codes == BACKGROUND)


def test_background_is_what_lies_behind(pairs: list[SyntheticPair]) -> None:
    """Away from the person and its shadow the picture is the plate, to within rounding."""
    for pair in pairs:
        off = pair.source_mask == 0
        close = np.abs(pair.source_image.astype(int) - pair.background).max(axis=-1) <= 1
        assert close[off].mean() > 0.6
        if pair.is_same_camera:
            np.testing.assert_array_equal(pair.background, pair.target_background)


def test_visible_joints_lie_on_the_person(pairs: list[SyntheticPair]) -> None:
    on_person = []
    for pair in pairs:
        for points, visible, mask in (
            (pair.source_keypoints, pair.source_visible, pair.source_mask),
            (pair.target_keypoints, pair.target_visible, pair.target_mask),
        ):
            x, y = np.round(points[visible]).astype(int).T
            near = np.pad(mask, 2)
            on_person.append([near[b : b + 5, a : a + 5].max() > 0 for a, b in zip(x, y, strict=True)])
    assert np.concatenate(on_person).mean() > 0.97


def test_left_and_right_are_the_persons_own() -> None:
    """Facing the camera, the left shoulder is on the picture's right, and the nose is before the hips."""
    config = SyntheticConfig(
        size_hw=(128, 96), motion_probability=0, source_yaw_degrees=0, texture_size=128, joint_noise=0.0
    )
    pair = SyntheticPeople(config, seed=2).pair(0)
    left, right = JOINT_INDEX["left_shoulder"], JOINT_INDEX["right_shoulder"]
    assert pair.source_keypoints[left, 0] > pair.source_keypoints[right, 0]
    assert pair.source_depths[JOINT_INDEX["nose"]] < 0


def test_mirroring(pairs: list[SyntheticPair]) -> None:
    pair = pairs[1]
    flipped = mirrored(pair)
    np.testing.assert_array_equal(flipped.source_image, pair.source_image[:, ::-1])
    np.testing.assert_array_equal(flipped.flow[..., 0], -pair.flow[:, ::-1, 0])
    np.testing.assert_array_equal(flipped.flow[..., 1], pair.flow[:, ::-1, 1])
    assert flipped.target_parts[0, 0] == PART_MIRROR[pair.target_parts[0, -1]]
    left, right = JOINT_INDEX["left_wrist"], JOINT_INDEX["right_wrist"]
    assert flipped.source_keypoints[left, 0] == pytest.approx(95 - pair.source_keypoints[right, 0])
    twice = mirrored(flipped)
    for name, value in vars(twice).items():
        np.testing.assert_allclose(
            np.asarray(value, np.float64), np.asarray(getattr(pair, name), np.float64), atol=1e-4, err_msg=name
        )


def test_mirror_tables_are_involutions() -> None:
    assert [PART_MIRROR[part] for part in PART_MIRROR] == list(range(NUM_PARTS))
    assert [MIRROR[joint] for joint in MIRROR] == list(range(33))


def test_without_noise_the_observed_joints_are_the_true_ones() -> None:
    config = SyntheticConfig(size_hw=(96, 96), texture_size=128, joint_noise=0.0)
    pair = SyntheticPeople(config, seed=4).pair(0)
    np.testing.assert_array_equal(pair.source_observed, pair.source_keypoints)


def test_clip_moves_smoothly() -> None:
    clip = SyntheticPeople(SMALL, seed=8).clip(0, 6, rate_hz=30.0, kind="dance")
    assert clip.images.shape == (6, 128, 96, 3)
    steps = np.linalg.norm(np.diff(clip.keypoints, axis=0), axis=-1)
    assert 0 < steps.max() < 12
    assert not clip.previous_flow[0].any()
    assert (clip.masks.reshape(6, -1).sum(axis=1) > 100).all()


def test_planted_feet_stand_still() -> None:
    people = SyntheticPeople(SMALL, seed=9)
    clip = people.clip(0, 8, kind="gesture")
    ankles = clip.keypoints[:, [JOINT_INDEX["left_ankle"], JOINT_INDEX["right_ankle"]]]
    assert np.ptp(ankles, axis=0).max() < 0.5


@pytest.mark.parametrize("family", FAMILIES)
def test_every_pose_family_can_be_drawn(family: str) -> None:
    pose = draw_pose(np.random.default_rng(0), family)
    assert all(np.isfinite([arm.abduction, arm.elbow, arm.twist]).all() for arm in pose.arms)


@pytest.mark.parametrize("kind", MOTIONS)
def test_every_motion_is_continuous(kind: str) -> None:
    rig = SyntheticPeople(SMALL, seed=1).person(0).rig
    motion = draw_motion(np.random.default_rng(1), kind)
    heads = np.stack([motion.bones_at(rig, time).heads for time in np.arange(0, 2, 1 / 60)])
    assert np.isfinite(heads).all()
    assert np.linalg.norm(np.diff(heads, axis=0), axis=-1).max() < 0.15


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="pose family"):
        draw_pose(np.random.default_rng(0), "handstand")
    with pytest.raises(ValueError, match="motion"):
        draw_motion(np.random.default_rng(0), "swim")
    with pytest.raises(ValueError, match="at least one frame"):
        SyntheticPeople(SMALL).clip(0, 0)


@pytest.mark.parametrize(
    "bad", [{"size_hw": (8, 8)}, {"pairs_per_identity": 0}, {"crop_shares": (0.5, 0.5, 0.5)}, {"supersampling": 0}]
)
def test_bad_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="SyntheticConfig"):
        SyntheticConfig(**bad)  # type: ignore[arg-type]


def test_the_contact_sheet_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "sheet.png"
    assert main(["--preview", str(sheet), "--pairs", "2", "--size", "64"]) == 0
    assert cv2.imread(str(sheet)).shape == (128, 64 * len(COLUMNS), 3)
    assert "2 pairs" in capsys.readouterr().out


def test_a_command_without_a_task_is_refused() -> None:
    with pytest.raises(SystemExit) as exit_info:
        main([])
    assert exit_info.value.code == 2
