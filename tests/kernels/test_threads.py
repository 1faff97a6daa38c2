"""Threads, processes and memory: the same bits for any number of threads, no crash, no buffer handed out twice."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from kernels.blend_warp import blend_warp
from kernels.cpu import memory
from kernels.cpu.memory import allocate
from kernels.cpu.threads import run_bands
from kernels.rasterize_prior import rasterize_prior
from kernels.splat import splat
from kernels.warp import warp
from tests.kernels.meshes import random_scene


@pytest.fixture(autouse=True)
def _restore_threads() -> Iterator[None]:
    num_threads = torch.get_num_threads()
    yield
    torch.set_num_threads(num_threads)


def work() -> list[torch.Tensor]:
    """Every kind of loop, large enough to be shared among threads, forward and backward."""
    generator = torch.Generator().manual_seed(0)
    results = []
    for channels in (3, 64):
        features = torch.randn(1, channels, 150, 160, generator=generator).contiguous(memory_format=torch.channels_last)
        flow = (torch.randn(1, 2, 150, 160, generator=generator) * 5).requires_grad_()
        features.requires_grad_()
        result = warp(features, flow)
        weights = torch.rand(1, 2, 150, 160, generator=generator)
        blended = blend_warp(features, torch.stack([flow, -flow], dim=1), weights)
        spread = splat(features.detach(), flow.detach())
        results += [result.detach(), blended.detach(), spread.values, spread.coverage]
        results += torch.autograd.grad(result.sum() + blended.square().sum(), (features, flow))
    results += rasterize_prior(*random_scene(1).values(), size_hw=(300, 310))
    return results


def assert_same(actual: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    for found, wanted in zip(actual, expected, strict=True):
        assert torch.equal(found, wanted)


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    torch.set_num_threads(1)
    expected = work()
    torch.set_num_threads(4)
    assert_same(work(), expected)


def test_ops_may_be_called_from_several_threads_at_once() -> None:
    expected = work()
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(work) for _ in range(8)]:
            assert_same(future.result(), expected)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_starts_its_own_threads() -> None:
    torch.set_num_threads(2)
    run_bands(lambda first, last: None, 100, grain=1)  # the pool of this process exists now
    child = multiprocessing.get_context("fork").Process(target=run_bands, args=(_nothing, 100), kwargs={"grain": 1})
    child.start()
    child.join(30)
    assert child.exitcode == 0


def _nothing(first: int, last: int) -> None:
    pass


@pytest.mark.parametrize("num_threads", [1, 2, 5])
@pytest.mark.parametrize(("length", "grain"), [(0, 1), (1, 1), (7, 3), (100, 1), (100, 1000)])
def test_bands_cover_everything_once(num_threads: int, length: int, grain: int) -> None:
    torch.set_num_threads(num_threads)
    seen: list[int] = []
    run_bands(lambda first, last: seen.extend(range(first, last)), length, grain=grain)
    assert sorted(seen) == list(range(length))


def test_an_error_in_a_band_is_raised() -> None:
    torch.set_num_threads(2)

    def fail(first: int, last: int) -> None:
        time.sleep(0.001)
        raise ArithmeticError(threading.current_thread().name)

    with pytest.raises(ArithmeticError):
        run_bands(fail, 10, grain=1)


def test_memory_is_handed_out_again_once_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_kept", [])
    first = allocate((1 << 20,), torch.float32)
    address = first.data_ptr()
    second = allocate((1 << 20,), torch.float32)
    assert second.data_ptr() != address
    view = first[5:]
    del first
    third = allocate((1 << 20,), torch.float32)
    assert third.data_ptr() != address  # a view still refers to it
    del view
    assert allocate((1 << 20,), torch.float32).data_ptr() == address
    assert address % 64 == 0


def test_memory_serves_pictures_of_about_the_same_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_kept", [])
    addresses = {allocate((height, 1000), torch.float32).data_ptr() for height in range(1030, 1150, 7)}
    assert len(addresses) <= 2
    largest = max(raw.size for raw, _ in memory._kept)
    assert largest <= 1.15 * 4 * 1150 * 1000
    assert allocate((3, 5, 7), torch.int8).shape == (3, 5, 7)


def test_memory_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_kept", [])
    monkeypatch.setattr(memory, "_MOST_BYTES_KEPT", 8 << 20)
    held = [allocate((3 << 20,), torch.uint8) for _ in range(5)]
    assert sum(raw.size for raw, _ in memory._kept) <= 8 << 20
    assert len({tensor.data_ptr() for tensor in held}) == 5


FIRST_USE = """
import time, torch
import kernels.warp as module
features, flow = torch.rand(1, 64, 32, 32).contiguous(memory_format=torch.channels_last), torch.zeros(1, 2, 32, 32)
import numba
started = time.process_time()
module.warp(features, flow)
print(time.process_time() - started)
"""


def test_a_second_process_loads_what_the_first_compiled() -> None:
    warp(torch.rand(1, 64, 32, 32).contiguous(memory_format=torch.channels_last), torch.zeros(1, 2, 32, 32))
    root = Path(__file__).parents[2]
    output = subprocess.run([sys.executable, "-c", FIRST_USE], cwd=root, capture_output=True, text=True, check=True)
    # Half a second is the promise on a quiet machine; a busy one takes several times that, and compiling 5 s.
    assert float(output.stdout) < 2.5
