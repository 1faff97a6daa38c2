"""Launch a kernel on the stream torch is working on."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from kernels.cuda.build import Variant, load_kernel

__all__ = ["launch"]

_THREADS_PER_BLOCK = 256
_MOST_BLOCKS = 1 << 20  # kernels walk in strides, so more would only cost scheduling


def launch(variant: Variant, name: str, num_threads: int, *arguments: Tensor | int | float | bool | None) -> None:
    """Run a kernel over so many threads.

    Args:
        variant: the file and how it is compiled.
        name: of the kernel.
        num_threads: how many threads there is work for; with none nothing is launched.
        arguments: in the kernel's order. Tensors go as addresses (None as a null pointer), whole numbers as 64-bit
            integers, other numbers as float64.
    """
    if num_threads <= 0:
        return
    device = next(argument.device for argument in arguments if isinstance(argument, Tensor))
    with torch.cuda.device(device):
        kernel = load_kernel(variant, name, device.index)
        num_blocks = min(-(-num_threads // _THREADS_PER_BLOCK), _MOST_BLOCKS)
        stream = torch.cuda.current_stream(device).cuda_stream
        _run(kernel, num_blocks, stream, [_plain(argument) for argument in arguments])


def _plain(argument: Tensor | int | float | bool | None) -> int | float:
    if argument is None:
        return 0
    if isinstance(argument, Tensor):
        return argument.data_ptr()
    return argument if isinstance(argument, float) else int(argument)


def _run(kernel: Any, num_blocks: int, stream: int, arguments: list[int | float]) -> None:
    from cuda.core import launch as launch_kernel

    launch_kernel(_stream_of(stream), _config_of(num_blocks), kernel, *arguments)


@functools.lru_cache(maxsize=64)
def _stream_of(handle: int) -> Any:
    from cuda.core import Stream

    return Stream.from_handle(handle)


@functools.lru_cache(maxsize=256)
def _config_of(num_blocks: int) -> Any:
    from cuda.core import LaunchConfig

    return LaunchConfig(grid=num_blocks, block=_THREADS_PER_BLOCK)
