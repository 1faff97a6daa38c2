"""MediaPipe comes without matplotlib and sound cards; who wants to draw still can."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.mediapipe

CODE = """
import sys
from retarget.pose.mediapipe_loading import load_mediapipe
mediapipe = load_mediapipe()
assert not {"matplotlib", "matplotlib.pyplot", "sounddevice"} & set(sys.modules), "imported"
assert load_mediapipe() is mediapipe
pyplot = mediapipe.solutions.drawing_utils.plt
if DRAWS:
    import matplotlib
    matplotlib.use("agg")
    assert pyplot.figure is sys.modules["matplotlib.pyplot"].figure
    assert matplotlib.pyplot.figure is pyplot.figure
"""


@pytest.mark.parametrize("draws", [False, True])
def test_what_is_not_used_is_not_imported(draws: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE.replace("DRAWS", str(draws))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
