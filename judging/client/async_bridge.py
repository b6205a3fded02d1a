"""Runs a coroutine on an event-loop thread and yields its items in acknowledged batches. Knows nothing of judges."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")

BATCH_WINDOW = 0.003

Give = Callable[[Item], Awaitable[None]]


class AsyncProducer(Generic[Item]):
    """Runs a coroutine on a dedicated event-loop thread, shielded from KeyboardInterrupt, and yields what it produces.

    Emitting an item waits until the batch that holds it is acknowledged. A producer that emits before it takes on more
    work therefore never has more than `workers` items in flight, even if the process is killed.

    Parameters
    ----------
    produce : callable
        Called with the coroutine function that emits one item; returns the coroutine to run.
    workers : int
        Number of items that can be emitted at once, at least 1. With more than one worker a batch is gathered for
        `BATCH_WINDOW` seconds.
    """

    def __init__(self, produce: Callable[[Give[Item]], Coroutine[object, object, None]], workers: int) -> None:
        self._produce = produce
        self._workers = workers
        self._items: SimpleQueue[tuple[Item, asyncio.Future[None]] | None] = SimpleQueue()
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run_loop, name="gnomon-judge", daemon=True)
        self._thread.start()

    def iterate_batches(self) -> Iterator[list[Item]]:
        """Yield batches of emitted items, then raise the producer's own error.

        Requesting the next batch acknowledges the previous one.
        """
        try:
            while held := self._gather_items():
                yield [item for item, _ in held]
                self._acknowledge([future for _, future in held])
        finally:
            self.request_stop()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def request_stop(self) -> None:
        """Cancel the producer if it is still running. Items that it has emitted are still delivered."""
        self._started.wait()
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # the loop may have closed by itself just now
                self._loop.call_soon_threadsafe(self._task.cancel)

    def close(self) -> None:
        """Stop, and wait until the producer has cleaned up."""
        self.request_stop()
        self._thread.join()

    def _gather_items(self) -> list[tuple[Item, asyncio.Future[None]]]:
        """The next batch; empty at the end.

        It sleeps once instead of waiting for each item, which would contend for the GIL.
        """
        first = self._items.get()
        if first is None:
            return []
        if self._workers > 1:
            time.sleep(BATCH_WINDOW)
        held = [first]
        with suppress(Empty):
            while (item := self._items.get_nowait()) is not None:
                held.append(item)
            self._items.put(None)  # the end was reached: put the sentinel back for the next call
        return held

    def _acknowledge(self, futures: list[asyncio.Future[None]]) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_release_futures, futures)

    def _run_loop(self) -> None:
        try:
            asyncio.run(self._run_producer())
        except asyncio.CancelledError:
            pass  # cancelled on request
        except BaseExceptionGroup as group:
            self._error = group.exceptions[0]
        except BaseException as error:
            self._error = error
        finally:
            self._started.set()
            self._items.put(None)

    async def _run_producer(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._started.set()
        await self._produce(self._emit_item)

    async def _emit_item(self, item: Item) -> None:
        future = asyncio.get_running_loop().create_future()
        self._items.put((item, future))
        await future


def _release_futures(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
