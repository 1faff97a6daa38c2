"""Two stages side by side: while one item is consumed, the next is made; a bounded queue keeps memory flat."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

__all__ = ["consume_behind"]

Item = TypeVar("Item")

_END: Final = object()


class _Consumer(threading.Thread, Generic[Item]):
    def __init__(self, consume: Callable[[Item], None], depth: int) -> None:
        super().__init__(name="consumer", daemon=True)
        self._consume = consume
        self._queue: queue.Queue[object] = queue.Queue(maxsize=depth)
        self.error: BaseException | None = None

    def put(self, item: object) -> None:
        self._queue.put(item)

    def run(self) -> None:
        while (item := self._queue.get()) is not _END:
            if self.error is not None:
                continue  # drain, so that the maker is never stuck on a full queue
            try:
                self._consume(item)  # type: ignore[arg-type]
            except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
                self.error = error


def consume_behind(items: Iterable[Item], consume: Callable[[Item], None], *, depth: int = 3) -> None:
    """Make items in the calling thread and consume them, in order, in another.

    Args:
        items: what to make; iterated here.
        consume: called once for each item, in order, in one other thread.
        depth: items made ahead at most.

    Raises:
        Exception: whatever making or consuming raises; nothing is consumed after an error.
    """
    consumer = _Consumer(consume, depth)
    consumer.start()
    try:
        for item in items:
            if consumer.error is not None:
                break
            consumer.put(item)
    except BaseException as error:
        consumer.error = consumer.error or error
        raise
    finally:
        consumer.put(_END)
        consumer.join()
    if consumer.error is not None:
        raise consumer.error
