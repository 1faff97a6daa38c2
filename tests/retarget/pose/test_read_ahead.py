"""Reading ahead changes nothing but the thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from retarget.pose.read_ahead import read_ahead


def producers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


@pytest.mark.parametrize("depth", [1, 3, 100])
def test_items_come_in_order(depth: int) -> None:
    assert list(read_ahead(range(50), depth=depth)) == list(range(50))
    assert producers() == []


def test_an_error_comes_where_its_item_would() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("three")

    items = read_ahead(failing())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(KeyError, match="three"):
        next(items)


def test_no_more_than_the_depth_is_made_ahead() -> None:
    made = []

    def counting() -> Iterator[int]:
        for item in range(100):
            made.append(item)
            yield item

    items = read_ahead(counting(), depth=2)
    next(items)
    items.close()
    assert len(made) <= 5


def test_the_producer_ends_with_its_consumer() -> None:
    items = read_ahead(iter(int, 1))
    next(items)
    assert len(producers()) == 1
    items.close()
    assert producers() == []
