"""The README's Python example, word for word, on the embedded sample."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path

import pytest

from retarget import Retargeter

ROOT = Path(__file__).parent.parent.parent
ASSETS = ROOT / "retarget" / "assets"


def test_the_readmes_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    shutil.copy(ASSETS / "demo_source.jpg", tmp_path / "person.jpg")
    shutil.copy(ASSETS / "demo_driver.mp4", tmp_path / "dance.mp4")
    monkeypatch.setenv("RETARGET_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example.py").write_text(example, encoding="utf-8")
    names = runpy.run_path("example.py")
    frame = names["frame"]
    assert frame.index == len(names["plan"]) - 1
    assert frame.image.shape == names["person"].source.rgb.shape

    def model_again(*_: object, **__: object) -> None:
        pytest.fail("the photo's model is in the cache")

    monkeypatch.setattr("retarget.pipeline.source_cache.build_source", model_again)
    again = Retargeter.from_photo("person.jpg").source
    assert (again.plate == names["person"].source.plate).all()


def test_unknown_names_are_not_found() -> None:
    import retarget

    with pytest.raises(AttributeError, match="no attribute 'Retarget'"):
        retarget.Retarget  # noqa: B018
