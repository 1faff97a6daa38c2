"""GIF previews."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from retarget.errors import InputError, OutputError
from retarget.video.preview import gif_preview
from tests.retarget.video.clips import constant_pts, make_clip

pytestmark = pytest.mark.ffmpeg


def test_preview(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip ü #1.mp4", constant_pts(90), Fraction(1, 30_000), size_hw=(120, 200))
    gif_preview(clip, tmp_path / "p.gif", height=60, frames_per_second=10, max_seconds=2)
    with Image.open(tmp_path / "p.gif") as image:
        assert image.size == (100, 60)
        assert image.n_frames == 20  # type: ignore[attr-defined]
        assert image.info["duration"] == 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip ü #1.mp4", "p.gif"]


def test_refusals(tmp_path: Path) -> None:
    (tmp_path / "list.mp4").write_text("#EXTM3U\nclip.ts\n")
    with pytest.raises(InputError, match="points to other files"):
        gif_preview(tmp_path / "list.mp4", tmp_path / "p.gif")
    with pytest.raises(OutputError, match="unknown extension"):
        gif_preview(tmp_path / "list.mp4", tmp_path / "p.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["list.mp4"]
