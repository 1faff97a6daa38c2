"""The embedded sample of the demo is there, small, readable, and shows people the estimator finds."""

from __future__ import annotations

import itertools
from importlib import resources
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

ASSETS = Path(str(resources.files("retarget"))) / "assets"
SOURCE, DRIVER = ASSETS / "demo_source.jpg", ASSETS / "demo_driver.mp4"


def _frames(every: int) -> list[npt.NDArray[np.uint8]]:
    with av.open(str(DRIVER)) as container:
        return [f.to_ndarray(format="rgb24") for k, f in enumerate(container.decode(video=0)) if k % every == 0]


def test_the_sample_is_small() -> None:
    assert SOURCE.stat().st_size + DRIVER.stat().st_size < 2.5e6


def test_photo_and_clip_have_the_promised_form() -> None:
    assert cv2.imread(str(SOURCE)).shape == (960, 720, 3)
    with av.open(str(DRIVER)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height, video.average_rate) == (640, 720, 30)
        assert container.duration / av.time_base == pytest.approx(4.8, abs=0.1)


def test_the_clip_moves_and_sounds() -> None:
    frames = [frame.astype(int) for frame in _frames(every=18)]
    assert all(np.abs(a - b).mean() > 0.3 for a, b in itertools.pairwise(frames))
    with av.open(str(DRIVER)) as container:
        sound = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
    assert 0.02 < np.sqrt(np.mean(sound**2)) < 0.3


@pytest.mark.mediapipe
def test_the_estimator_finds_both_people_whole() -> None:
    mediapipe = pytest.importorskip("mediapipe")
    photo = cv2.cvtColor(cv2.imread(str(SOURCE)), cv2.COLOR_BGR2RGB)
    with mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=1) as pose:
        for image in [photo, *_frames(every=24)]:
            found = pose.process(image).pose_landmarks
            assert found is not None
            assert min(mark.visibility for mark in found.landmark) > 0.6
