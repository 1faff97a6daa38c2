"""Let a producer work ahead of its consumer in a thread of its own, a few items at most."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Final, TypeVar

__all__ = ["read_ahead"]

T = TypeVar("T")

_POLL_SECONDS: Final = 0.1


class _End:
    """Follows the last item; carries the error that ended the producer, if any."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def read_ahead(items: Iterable[T], *, depth: int = 2) -> Generator[T, None, None]:
    """Yield the items in order while the next ones are being made.

    An error of the producer is raised where its item would have come. When the consumer stops early, so does the
    producer.

    Args:
        items: what to read; iterated in another thread.
        depth: how many items may wait.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
    is_stopped = threading.Event()

    def offer(item: T | _End) -> bool:
        while not is_stopped.is_set():
            try:
                waiting.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def produce() -> None:
        try:
            for item in items:
                if not offer(item):
                    return
        except BaseException as error:  # noqa: BLE001 - handed over to the consumer's thread
            offer(_End(error))
        else:
            offer(_End())

    producer = threading.Thread(target=produce, name="read-ahead", daemon=True)
    producer.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        is_stopped.set()
        producer.join()
