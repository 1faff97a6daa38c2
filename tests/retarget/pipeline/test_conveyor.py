"""Two stages side by side: order, bounded memory, errors from either side."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from retarget.pipeline.conveyor import consume_behind


def test_items_arrive_in_order_in_another_thread() -> None:
    seen: list[int] = []
    threads: set[int] = set()

    def take(item: int) -> None:
        seen.append(item)
        threads.add(threading.get_ident())

    consume_behind(range(50), take)
    assert seen == list(range(50))
    assert threads.isdisjoint({threading.get_ident()})


def test_no_more_than_the_depth_is_made_ahead() -> None:
    made = 0
    ahead: list[int] = []

    def make() -> Iterator[int]:
        nonlocal made
        for item in range(20):
            made += 1
            yield item

    def take(item: int) -> None:
        time.sleep(0.002)
        ahead.append(made - item)

    consume_behind(make(), take, depth=2)
    assert max(ahead) <= 2 + 3  # in the queue, in hand on either side


def test_an_error_of_the_consumer_stops_the_maker() -> None:
    made: list[int] = []

    def make() -> Iterator[int]:
        for item in range(10_000):
            made.append(item)
            yield item

    def take(item: int) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        consume_behind(make(), take)
    assert len(made) < 10_000


def test_an_error_of_the_maker_comes_through_and_ends_the_consumer() -> None:
    def make() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume_behind(make(), lambda item: None)
    assert not [thread for thread in threading.enumerate() if thread.name == "consumer"]
