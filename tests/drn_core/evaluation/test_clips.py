"""Scores of frames and clips: identities, known shifts, and the outside ruler on the same input."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from drn_core.evaluation.clips import ClipScorer, pool_frames
from drn_core.evaluation.frames import FramePair, core_scores, detail_scores, is_measurable
from drn_core.evaluation.parts import PART_NAMES
from drn_core.evaluation.protocols import REENACT, VIDEO
from drn_core.evaluation.readings import Reading, torso_length
from tests.helpers.evaluation import NOBODY, SIZE_HW, frame_pair, reading, standing_keypoints, textured_picture

RULER = Path(__file__).parents[4] / "shared" / "eval" / "reenact_metrics.py"
FACE = np.zeros(128)


def pooled(pairs: list[FramePair], protocol=VIDEO, source_index: int | None = None) -> dict[str, float]:
    with ClipScorer(protocol, source_index=source_index) as scorer:
        for pair in pairs:
            scorer.add(pair) if scorer.wants(pair.index) else scorer.skip()
        return pool_frames(scorer.finish(), protocol)


def with_face(pair: FramePair, generated_face: np.ndarray | None) -> FramePair:
    return FramePair(
        pair.index, pair.real, pair.generated, reading(face=FACE),
        Reading(pair.generated_reading.keypoints, pair.generated_reading.confidence, None, generated_face),
    )  # fmt: skip


def test_a_perfect_clip_scores_perfectly() -> None:
    figures = pooled([with_face(frame_pair(index), FACE) for index in range(4)])
    perfect = {
        "psnr": 108.1308, "tpsnr": 108.1308, "ssim": 1, "pck": 100, "pck_05": 100, "pckh": 100, "akd": 0, "miss": 0,
        "face": 1, "face_found": 100, "face_match": 100, "sharp": 1, "flick": 0, "jitter": 0,
    }  # fmt: skip
    for name, value in perfect.items():
        assert figures[name] == pytest.approx(value, abs=1e-3), name
    assert figures["warp"] == pytest.approx(figures["warp_real"])
    for part in PART_NAMES:
        assert figures[f"pck_{part}"] == 100
    for part in ("head", "torso", "arms", "legs"):  # hands and feet are smaller than what is measured
        assert figures[f"ssim_{part}"] == pytest.approx(1)


@pytest.mark.parametrize(("torsos", "pck", "strict"), [(0.04, 100, 100), (0.07, 100, 0), (0.12, 0, 0)])
def test_a_known_joint_shift_gives_its_pck(torsos: float, pck: float, strict: float) -> None:
    shift = torsos * torso_length(standing_keypoints())
    figures = pooled([frame_pair(seen=reading(shift=(0.0, shift)))])
    assert figures["pck"] == pck
    assert figures["pck_05"] == strict
    assert figures["akd"] == pytest.approx(100 * torsos, rel=1e-3)


def test_nobody_in_the_output_is_a_miss_of_all_joints() -> None:
    figures = pooled([frame_pair(0), frame_pair(1, seen=NOBODY)])
    assert figures["miss"] == 50
    assert figures["pck"] == 50
    assert figures["pckh"] == 50
    assert figures["akd"] == 0


@pytest.mark.parametrize(("generated_face", "face", "match"), [(None, 0, 0), (FACE + 0.7 / 128**0.5, 0.3, 0)])
def test_faces_that_are_absent_or_others(generated_face: np.ndarray | None, face: float, match: float) -> None:
    figures = pooled([with_face(frame_pair(), generated_face)])
    assert figures["face"] == pytest.approx(face)
    assert figures["face_match"] == match


def test_without_a_real_face_nothing_is_said_of_faces() -> None:
    assert not {"face", "face_found", "face_match"} & set(pooled([frame_pair()]))


def test_a_person_too_small_for_the_window_has_no_ssim() -> None:
    thin = np.zeros(SIZE_HW, np.bool_)
    thin[10:70, 40:52] = True
    picture = textured_picture()
    truth = Reading(standing_keypoints(), np.ones(33, np.float32), thin)
    pair = FramePair(0, picture, picture, truth, reading())
    figures = pooled([pair])
    assert "ssim" not in figures
    assert figures["tpsnr"] > 100
    assert not {name for name in figures if name.startswith("ssim_")}


def test_without_sure_joints_no_joint_is_found_again() -> None:
    picture = textured_picture()
    truth = Reading(standing_keypoints(), np.zeros(33, np.float32), reading().mask)
    figures = pooled([FramePair(0, picture, picture, truth, reading())])
    assert figures["pck"] == 0
    assert not {"akd", "pck_05", "pckh"} & set(figures)


def test_readings_are_checked() -> None:
    with pytest.raises(ValueError, match="come together"):
        Reading(standing_keypoints(), None)
    with pytest.raises(ValueError, match="expected shape"):
        Reading(np.zeros((18, 2), np.float32), np.zeros(18, np.float32))


def test_unsure_joints_do_not_count() -> None:
    base = reading()
    confidence = np.ones(33, np.float32)
    confidence[13:] = 0.5
    real = Reading(base.keypoints, confidence, base.mask)
    seen = standing_keypoints()
    seen[13:] += 50
    picture = textured_picture()
    pair = FramePair(0, picture, picture, real, Reading(seen, np.ones(33, np.float32)))
    assert core_scores(pair, None)["pck"] == 100
    assert "pck_legs" not in detail_scores(pair, None)


def test_squared_errors_are_pooled_before_the_logarithm() -> None:
    clean = frame_pair(0)
    noisy = frame_pair(1, generated=np.clip(textured_picture(seed=1).astype(int) + 10, 0, 255).astype(np.uint8))
    error = core_scores(noisy, None)["mse"]
    assert pooled([clean, noisy])["psnr"] == pytest.approx(10 * np.log10(255**2 / (error / 2)))


def test_flicker_is_the_change_of_the_error() -> None:
    def grey(index: int, offset: int) -> FramePair:
        real = np.full((*SIZE_HW, 3), 100, np.uint8)
        return FramePair(index, real, real + np.uint8(offset), reading(), reading())

    assert pooled([grey(0, 5), grey(1, 5)])["flick"] == 0
    assert pooled([grey(0, 5), grey(1, 11)])["flick"] == 6


def test_frames_near_the_source_do_not_count_and_break_the_chain() -> None:
    with ClipScorer(REENACT, source_index=7) as scorer:
        for index in range(14):
            scorer.add(frame_pair(index)) if scorer.wants(index) else scorer.skip()
        frames = scorer.finish()
    assert scorer.indices == [0, 1, 13]
    assert ["flick" in scores for scores in frames] == [False, True, False]


def test_hook_sees_frames_in_order_and_may_add_scores() -> None:
    seen: list[int] = []

    def hook(pair: FramePair, scores: dict[str, float]) -> None:
        seen.append(pair.index)
        scores["lpips"] = 0.25

    with ClipScorer(VIDEO, on_scored=hook) as scorer:
        for index in range(9):
            scorer.add(frame_pair(index))
        frames = scorer.finish()
    assert seen == list(range(9))
    assert pool_frames(frames, VIDEO)["lpips"] == 0.25


def test_a_frame_without_a_person_cannot_be_measured() -> None:
    assert not is_measurable(NOBODY)
    small = np.zeros(SIZE_HW, np.bool_)
    small[:10, :10] = True
    assert not is_measurable(Reading(standing_keypoints(), np.ones(33, np.float32), small))
    picture = textured_picture()
    with pytest.raises(ValueError, match="no person"):
        FramePair(3, picture, picture, NOBODY, NOBODY)


@pytest.fixture
def ruler() -> ModuleType:
    if not RULER.exists():
        pytest.skip(f"the outside ruler is not at {RULER}")
    spec = importlib.util.spec_from_file_location("outside_ruler", RULER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.mediapipe
def test_core_figures_equal_those_of_the_outside_ruler(ruler: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    real = [textured_picture(seed=index) for index in range(16)]
    generator = np.random.default_rng(5)
    generated = [
        cv2.add(np.roll(picture, 2, axis=1), generator.integers(0, 30, picture.shape, dtype=np.uint8))
        for picture in real
    ]
    seen = [reading(shift=tuple(generator.normal(0, 3, 2))) if index % 5 else NOBODY for index in range(16)]
    confidence = generator.uniform(0.3, 1.0, 33).astype(np.float32)
    truth = Reading(standing_keypoints(), confidence, reading().mask)
    answers = {id(picture): truth for picture in real} | {id(p): r for p, r in zip(generated, seen, strict=True)}

    class GivenPose:
        def __call__(self, rgb: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
            answer = answers[id(rgb)]
            if answer.keypoints is None:
                return None, None
            return np.column_stack([answer.keypoints, answer.confidence]), answer.mask.astype(np.float32)

    monkeypatch.setattr(ruler, "Pose", GivenPose)
    expected = ruler.compare(real, generated, step=1, face=False, source=2)
    pairs = [FramePair(i, real[i], generated[i], truth, seen[i]) for i in range(16)]
    figures = pooled(pairs, REENACT, source_index=2)
    for name in ("psnr", "tpsnr", "ssim", "pck", "akd", "miss", "sharp", "flick"):
        assert figures[name] == pytest.approx(expected[name], abs=2e-4), name
