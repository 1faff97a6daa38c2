"""Inspecting: the page of a real small job in a real browser, its stages, and the scripts beside it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import retarget
from drn_core.model.records import DRNOutput, PoseBranchOutput
from drn_core.prior.parts import Layer
from retarget.cli.main import main
from retarget.config import RenderConfig
from retarget.errors import UsageError
from retarget.inspect.clip import choose_frames, inspect_clip, warnings_of_frame
from retarget.inspect.drawing import draw_difference, draw_flow, draw_labels, label_colours
from retarget.inspect.page import MAX_PAGE_BYTES, PageLimits, encode_picture
from retarget.inspect.sampling import StackSampler
from retarget.inspect.stages import network_stages
from retarget.pipeline.background import Background
from retarget.pipeline.retargeter import MotionPlan, RenderedFrame
from retarget.pipeline.video_job import VideoJob
from scripts import compare_backends, dump_frame, profile_clip, trace_pose
from tests.helpers.require import skip_or_fail

ASSETS = Path(retarget.__file__).parent / "assets"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FRAME_STAGES = ["driver", "skeleton", "flow", "visibility", "parts", "layers", "composite"]
SOURCE_STAGES = ["source_pose", "source_matte", "source_mesh", "source_layers", "source_plate"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def arguments(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A small job: 9 frames at 160 px."""
    monkeypatch.setenv("RETARGET_CACHE", str(cache))
    files = ["--source", str(ASSETS / "demo_source.jpg"), "--driver", str(ASSETS / "demo_driver.mp4")]
    return [*files, "--end", "0.3", "--size", "160"]


@pytest.fixture(scope="module")
def page(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETARGET_CACHE", str(cache))
        files = ["--source", str(ASSETS / "demo_source.jpg"), "--driver", str(ASSETS / "demo_driver.mp4")]
        options = ["--end", "0.3", "--size", "160", "--frames", "3", "--dump", str(folder / "dump"), "--quiet"]
        assert main(["inspect", *files, *options, "--output", str(folder / "inspect.html")]) == 0
    return folder / "inspect.html"


@pytest.mark.mediapipe
def test_the_page_holds_all_stages_and_needs_nothing_else(page: Path) -> None:
    text = page.read_text()
    frames = re.findall(r'<section class="frame" data-index="(\d+)"', text)
    assert frames == ["0", "4", "8"]
    stages = re.findall(r'data-stage="(\w+)"', text)
    assert stages == [*FRAME_STAGES, *2 * [*FRAME_STAGES, "difference"], *SOURCE_STAGES]
    assert text.count("data:image/jpeg;base64,") == len(stages)
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    assert page.stat().st_size < MAX_PAGE_BYTES
    tracks = json.loads(re.findall(r'<script id="tracks" type="application/json">(.*?)</script>', text)[0])
    assert len(tracks["joints"]) == len(tracks["names"]) == 33
    assert {len(joint[kind][axis]) for joint in tracks["joints"] for kind in ("raw", "smooth") for axis in (0, 1)} == {
        9
    }


@pytest.mark.mediapipe
def test_the_page_works_in_a_browser(page: Path, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        skip_or_fail("chromium", "no Chromium is installed")
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}",
               "--virtual-time-budget=4000", "--dump-dom", f"{page.as_uri()}#5"]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert 'data-ready="true"' in dom
    assert re.search(r'id="where">frame 5, 0\.16[67] s \(pictures of frame 4\)<', dom)
    shown = re.findall(r'<section class="frame" data-index="(\d+)"(?! hidden)', dom)
    assert shown == ["4"]
    assert dom.count("<option") == 33
    assert re.search(r'<canvas id="plot-x" width="\d{3,}"', dom)


@pytest.mark.mediapipe
def test_stages_are_dumped_with_their_arrays(page: Path) -> None:
    folder = page.parent / "dump" / "frame_000004"
    names = [stage["name"] for stage in json.loads((folder / "stages.json").read_text())]
    assert names == [*FRAME_STAGES, "difference"]
    assert len(list(folder.glob("*.png"))) == len(names)
    with np.load(folder / "arrays.npz") as arrays:
        flow, layer, image = arrays["flow.flow"], arrays["layers.layer"], arrays["composite.image"]
    assert flow.shape[1:] == layer.shape == image.shape[:2] == (160, 120)
    assert set(np.unique(layer)) <= {-1, *(int(each) for each in Layer)}
    assert (page.parent / "dump" / "source" / "arrays.npz").exists()
    picture = cv2.imread(str(folder / "06_composite.png"))[..., ::-1]
    np.testing.assert_array_equal(picture, image)


@pytest.mark.mediapipe
def test_flow_leads_from_the_frame_to_the_photo(page: Path) -> None:
    """At the front-most layer's visible pixels the photo's colour at x + flow is the frame's own."""
    with np.load(page.parent / "dump" / "frame_000000" / "arrays.npz") as arrays:
        flow, image, visibility = arrays["flow.flow"], arrays["composite.image"], arrays["visibility.visibility"]
    photo = cv2.imread(str(ASSETS / "demo_source.jpg"))[..., ::-1]
    small = cv2.resize(photo, (120, 160), interpolation=cv2.INTER_AREA)
    rows, columns = np.indices(image.shape[:2], np.float32)
    warped = cv2.remap(small, columns + flow[0], rows + flow[1], cv2.INTER_LINEAR)
    inside = cv2.erode((visibility > 0.99).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    error = np.abs(warped.astype(int) - image)[inside]
    assert inside.sum() > 500
    assert np.median(error) <= 6


@pytest.mark.mediapipe
def test_neighbours_are_rendered_once_and_pages_draw_fewer_pixels(
    arguments: list[str], page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = VideoJob(
        Path(arguments[1]), Path(arguments[3]), Path(), end_seconds=0.3, render=RenderConfig(max_side_px=160)
    )
    clip = inspect_clip(job, at=(0.1, 0.2))
    assert clip.chosen == (3, 4, 5, 6)
    rendered: list[int] = []
    render = clip.studio.retargeter.render

    def watched(plan: MotionPlan, background: Background | None = None) -> Iterator[RenderedFrame]:
        rendered.extend(plan.pts.tolist())
        return render(plan, background)

    monkeypatch.setattr(clip.studio.retargeter, "render", watched)
    frames = list(clip.frames())
    assert rendered == clip.plan.pts[2:7].tolist()
    with np.load(page.parent / "dump" / "frame_000004" / "arrays.npz") as arrays:
        assert np.array_equal(arrays["composite.image"], frames[1].rendered.image)
    whole, half, page_size = (
        {stage.name: stage.picture for stage in frames[1].stages(height)} for height in (None, 80, 160)
    )
    assert list(whole) == [*FRAME_STAGES, "difference"]
    assert whole["flow"].shape == page_size["flow"].shape == (160, 120, 3)
    assert np.array_equal(half["parts"], whole["parts"][::2, ::2])
    assert np.array_equal(half["composite"], whole["composite"])


@pytest.mark.mediapipe
def test_scripts_run(arguments: list[str], page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dump_frame.main([*arguments, "--at", "0.2", "--folder", str(tmp_path / "stages")]) == 0
    assert "frame 6 at 0.200 s" in capsys.readouterr().out
    assert len(list((tmp_path / "stages").glob("*.png"))) == len(SOURCE_STAGES) + len(FRAME_STAGES) + 1

    assert compare_backends.main([*arguments, "--at", "0.2", "--folder", str(tmp_path / "backends")]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("numba")]
    assert "other layer at 0 px" in line

    csv = tmp_path / "trace.csv"
    assert trace_pose.main([arguments[3], "--end", "0.3", "--joint", "nose", "--csv", str(csv)]) == 0
    assert "9 frames, person seen in 9" in capsys.readouterr().out
    assert len(csv.read_text().splitlines()) == 10
    assert trace_pose.main([arguments[3], "--end", "0.3", "--csv", str(tmp_path / "no" / "trace.csv")]) == 5

    stacks = tmp_path / "stacks.txt"
    assert profile_clip.main([*arguments, "--stacks", str(stacks)]) == 0
    told = capsys.readouterr().out
    assert "job.run_video_job" in told
    assert "render" in told
    assert re.match(r"\S+ \d+$", stacks.read_text().splitlines()[0])


@pytest.mark.mediapipe
def test_one_time_and_bad_options(arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = str(tmp_path / "one.html")
    assert main(["inspect", *arguments, "--at", "0.1", "--output", output]) == 0
    assert "1 of 9 frames" in capsys.readouterr().out
    assert main(["inspect", *arguments, "--at", "0.1s-0.2s", "--output", output]) == 5
    assert main(["inspect", *arguments, "--at", "3", "--output", str(tmp_path / "late.html")]) == 2
    assert "ends at 0.27 s" in capsys.readouterr().err
    assert main(["inspect", *arguments, "--output", str(tmp_path / "page.png")]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["one.html"]


def test_frames_are_chosen_by_time_or_spread_evenly() -> None:
    times = np.array([0.0, 0.033367, 0.066733, 0.1001])
    assert choose_frames(times, max_frames=3) == [0, 2, 3]
    assert choose_frames(times, max_frames=9) == [0, 1, 2, 3]
    assert choose_frames(times, at=(0.066733, 0.066733)) == [2]
    assert choose_frames(times, at=(0.0667, 0.0667)) == [1]
    assert choose_frames(times, at=(0.04, 9.0)) == [1, 2, 3]
    assert choose_frames(times, at=(0.04, 9.0), max_frames=2) == [1, 3]
    assert choose_frames(times[:1], at=(0.0, 0.0)) == [0]
    with pytest.raises(UsageError, match=r"ends at 0\.10 s"):
        choose_frames(times, at=(0.2, 0.3))


def test_warnings_are_found_by_frame() -> None:
    warnings = [
        ("W201", "no person in 3 of 30 frames, pose interpolated: frame 4 (0.13 s), frames 7-9 (0.23-0.30 s)"),
        ("W301", "the driver doesn't show the legs"),
    ]
    assert [bool(warnings_of_frame(warnings, frame)) for frame in (3, 4, 6, 7, 9, 10, 30)] == [
        False, True, False, True, True, False, False,
    ]  # fmt: skip


def test_the_colour_wheel() -> None:
    flow = np.zeros((2, 1, 5), np.float32)
    flow[:, 0, 0], flow[:, 0, 1], flow[:, 0, 2] = (10, 0), (-10, 0), (5, 0)
    is_there = np.array([[True, True, True, True, False]])
    right, left, half, still, nothing = draw_flow(flow, is_there)[0].tolist()
    assert right == [255, 0, 0]
    assert left == [0, 255, 255]
    assert half[0] == 255
    assert half[1] == pytest.approx(128, abs=2)
    assert still == [255, 255, 255]
    assert nothing == [40, 40, 40]


def test_labels_and_differences_can_be_told_apart() -> None:
    assert len({tuple(colour) for colour in label_colours(15).tolist()}) == 15
    drawn = draw_labels(np.array([[-1, 0, 14]]), 15)[0].tolist()
    assert drawn[0] == [40, 40, 40]
    assert drawn[1:] == label_colours(15)[[0, 14]].tolist()
    first = np.full((1, 1, 3), 100, np.uint8)
    assert draw_difference(first, first + 10)[0, 0].tolist() == [40, 40, 40]
    assert draw_difference(first, first + 100)[0, 0].tolist() == [255, 255, 255]


def test_pictures_get_coarser_until_the_page_fits() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    limits = PageLimits(num_frames=24, height=720)
    longest = 24 * 15 * len(encode_picture(noise, limits))
    assert longest < MAX_PAGE_BYTES
    assert len(encode_picture(noise, PageLimits(num_frames=1, height=720))) > 10 * len(encode_picture(noise, limits))


def test_what_the_network_made_is_shown() -> None:
    pose = PoseBranchOutput(
        coarse=torch.zeros(1, 3, 8, 8),
        features=torch.zeros(1, 4, 2, 2),
        residual_flow=torch.ones(1, 2, 8, 8),
        visibility=torch.full((1, 1, 8, 8), 0.5),
        content=torch.full((1, 3, 8, 8), 2.0),
    )
    output = DRNOutput(torch.zeros(1, 3, 8, 8), pose, torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8),
                       torch.zeros(1, 1, 8, 8))  # fmt: skip
    stages = {stage.name: stage.picture for stage in network_stages(output)}
    assert list(stages) == ["residual_flow", "kept", "content", "detail", "face"]
    assert [int(stages[name][0, 0, 0]) for name in ("kept", "content", "detail", "face")] == [128, 255, 128, 64]


def test_the_sampler_finds_the_work() -> None:
    import threading
    import time

    def busy_work() -> None:
        end = time.perf_counter() + 0.4
        while time.perf_counter() < end:
            sum(range(1000))

    def idle_wait() -> None:
        threading.Event().wait(0.4)

    with StackSampler(0.002) as sampler:
        idle = threading.Thread(target=idle_wait)
        idle.start()
        busy_work()
        idle.join()
    rows = {name: seconds for _, name, seconds in sampler.table(max_depth=80)}
    (found,) = [seconds for name, seconds in rows.items() if name.endswith("busy_work")]
    assert 0.2 < found < 0.8
    assert not [name for name in rows if name.endswith("idle_wait")]
    assert "busy_work" in sampler.collapsed()
