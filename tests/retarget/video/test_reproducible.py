"""The same pictures give the same file, whatever lay in memory before."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

WRITE = """
import sys
from fractions import Fraction
import cv2
import numpy as np
from retarget.config import EncodeConfig
from retarget.video.writer import VideoWriter
height, width = 668, 1000  # neither is a multiple of 16
coarse = np.random.default_rng(0).integers(0, 255, (height // 8 + 4, width // 8 + 4, 3), np.uint8)
scene = cv2.resize(coarse, (width + 64, height + 64), interpolation=cv2.INTER_CUBIC)
config = EncodeConfig(codec=sys.argv[2])
with VideoWriter(sys.argv[1], (height, width), Fraction(1, 30), Fraction(30), config) as writer:
    for number in range(16):
        writer.write(np.ascontiguousarray(scene[number : number + height, 2 * number : 2 * number + width]), number)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc fills what it allocates when asked")
@pytest.mark.parametrize(("codec", "name"), [("h264", "clip.mp4"), ("h264", "clip.mkv"), ("vp9", "clip.webm")])
def test_a_file_does_not_depend_on_what_memory_held(tmp_path: Path, codec: str, name: str) -> None:
    digests = set()
    for fill in ("1", "85", "170"):
        (tmp_path / fill).mkdir()
        environment = {**os.environ, "MALLOC_PERTURB_": fill}
        subprocess.run([sys.executable, "-c", WRITE, str(tmp_path / fill / name), codec], check=True, env=environment)
        digests.add(hashlib.sha256((tmp_path / fill / name).read_bytes()).hexdigest())
    assert len(digests) == 1
