"""The development media, file by file: what phones, cameras and the web really produce."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from retarget.config import EncodeConfig
from retarget.errors import DecodeError, InputError
from retarget.photo import read_photo
from retarget.video.decord_reader import RandomAccessReader
from retarget.video.reader import open_video
from retarget.video.writer import VideoWriter
from tests.retarget.video.clips import MEDIA, decoded_times, stream_ends

pytestmark = [
    pytest.mark.media,
    pytest.mark.skipif(not MEDIA.is_dir(), reason="the development media (../shared/media) are not here"),
]

CLIPS = {
    "av1_testcard.mkv": (125, (360, 640)),
    "dev naïve file – 舞 #1.mkv": (77, (480, 640)),
    "dev_animated.gif": (36, (270, 480)),
    "dev_audio_longer.mp4": (93, (720, 1280)),
    "dev_gray.mp4": (60, (720, 1280)),
    "dev_h264_10bit.mp4": (90, (360, 640)),
    "dev_hevc10_pq_tag.mp4": (90, (720, 1280)),
    "dev_mjpeg.avi": (90, (360, 640)),
    "dev_mpeg2.ts": (90, (360, 640)),
    "dev_odd_427x241.mp4": (90, (241, 427)),
    "dev_odd_431x243_vp9.webm": (90, (243, 431)),
    "dev_one_frame.mp4": (1, (720, 1280)),
    "dev_rotate180_metadata.mp4": (20, (1280, 720)),
    "dev_rotate90_metadata.mp4": (20, (1280, 720)),
    "dev_sar_2to1.mp4": (90, (360, 640)),
    "dev_tiny_48px.mp4": (60, (28, 48)),
    "dev_vfr.mp4": (67, (720, 1280)),
    "half_body_motion_blur_cuts.mkv": (310, (240, 426)),
    "phone_rotate90_keyboard.mov": (3, (568, 320)),
    "three_persons_exercise.avi": (393, (288, 384)),
    "two_persons_hug.mp4": (72, (1080, 1920)),
}


@pytest.mark.parametrize("name", CLIPS)
def test_clips_are_read_whole(name: str) -> None:
    path = MEDIA / "odd" / name
    with open_video(path, max_height=120) as reader:
        frames = list(reader)
    num_frames, size_hw = CLIPS[name]
    assert (len(frames), reader.info.size_hw) == (num_frames, size_hw)
    assert [code for code, _ in reader.warnings] == (["W105"] if "pq_tag" in name else [])
    assert not any(frame.is_concealed for frame in frames)
    assert [frame.pts * frame.time_base for frame in frames] == decoded_times(path)


@pytest.mark.parametrize(("name", "num_frames"), [("dev_bitflips.mp4", 90), ("corrupt_h264_real.mp4", 50)])
def test_damaged_clips_keep_their_times(name: str, num_frames: int) -> None:
    with open_video(MEDIA / "odd" / name, max_height=120) as reader:
        frames = list(reader)
    assert len(frames) == num_frames
    assert len({following.pts - frame.pts for frame, following in pairwise(frames)}) == 1
    assert reader.warnings[0][0] == "W101"


def test_the_truncated_clip() -> None:
    path = MEDIA / "odd" / "dev_truncated.mp4"
    with pytest.raises(DecodeError, match=r"stops after 1\.5. s of 3\.10 s"):
        open_video(path)
    with open_video(path, max_height=120, keep_partial=True) as reader:
        assert 40 <= len(list(reader)) <= 46
    assert reader.warnings[-1][0] == "W104"


@pytest.mark.parametrize(
    "name", ["empty.mp4", "text_renamed.mp4", "audio_only.mp4", "dev_photo.webp", "dev_photo_cmyk.jpg"]
)
def test_what_is_no_clip(name: str) -> None:
    with pytest.raises(InputError):
        open_video(MEDIA / "odd" / name)


@pytest.mark.parametrize(
    "name",
    [
        "dev_vfr.mp4",
        "dev_audio_longer.mp4",
        "half_body_motion_blur_cuts.mkv",
        "dev naïve file – 舞 #1.mkv",
        "dev_mjpeg.avi",
    ],
)
def test_output_times_and_ends(name: str, tmp_path: Path) -> None:
    driver = MEDIA / "odd" / name
    with open_video(driver, max_height=64, end_seconds=4.0) as reader:
        info = reader.info
        size_hw = next(iter(reader)).rgb.shape[:2]
        with VideoWriter(
            tmp_path / "out.mp4", size_hw, info.time_base, info.average_rate, EncodeConfig(), audio_source=driver
        ) as writer:
            for frame in reader:
                writer.write(frame.rgb, frame.pts, frame.duration)
    times = decoded_times(tmp_path / "out.mp4")
    assert times == decoded_times(driver)[: len(times)]
    ends = stream_ends(tmp_path / "out.mp4")
    if "audio" in ends:
        assert abs(ends["audio"] - ends["video"]) <= Fraction(1, 25)


@pytest.mark.parametrize(
    "name", ["dev_photo.webp", "dev_photo_cmyk.jpg", "dev_photo_exif6.jpg", "dev_photo_palette.png"]
)
def test_photos_of_one_picture_look_alike(name: str) -> None:
    reference = read_photo(MEDIA / "photos" / "gym_man_white_armsout.jpg").rgb.astype(float)
    picture = read_photo(MEDIA / "odd" / name).rgb
    assert picture.shape == reference.shape
    assert np.abs(picture - reference).mean() < 7


def test_photos_of_other_kinds() -> None:
    odd = MEDIA / "odd"
    gray = read_photo(odd / "dev_photo_gray.png").rgb
    assert np.abs(gray.astype(int) - read_photo(odd / "dev_photo_16bit.png").rgb).max() <= 1
    alpha = read_photo(odd / "dev_photo_alpha.png").alpha
    assert alpha is not None
    assert alpha.mean() == pytest.approx(0.5, abs=0.01)
    assert read_photo(odd / "dev_photo_5000px.jpg").rgb.shape == (3335, 5000, 3)
    with pytest.raises(InputError, match="damaged"):
        read_photo(odd / "dev_photo_truncated.jpg")


@pytest.mark.parametrize("name", ["dev_vfr.mp4", "dev_mpeg2.ts", "three_persons_exercise.avi", "dev_animated.gif"])
def test_random_access_shows_what_streaming_shows(name: str) -> None:
    with open_video(MEDIA / "odd" / name) as reader:
        streamed = {frame.index: frame.rgb for frame in reader if frame.index in (0, 7, 35)}
    with RandomAccessReader(MEDIA / "odd" / name) as clip:
        for index, rgb in streamed.items():
            assert np.abs(clip[index].astype(int) - rgb).mean() < 0.5
