"""Runs one coroutine in a thread of its own and hands out what it produces: an interrupt never hits its loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


class Background(Generic[Item]):
    """A context manager around a producer; leaving it cancels the producer and waits for its end.

    Parameters
    ----------
    produce : called with a function that hands an item over; returns the coroutine to run.
    """

    def __init__(self, produce: Callable[[Callable[[Item], None]], Coroutine[object, object, None]]) -> None:
        self._produce = produce
        self._items: SimpleQueue[tuple[Item] | None] = SimpleQueue()
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="gnomon-judge", daemon=True)

    def __enter__(self) -> Self:
        """Start producing."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop producing."""
        self.stop()

    def items(self) -> Iterator[Item]:
        """Items as they come; at the end the producer's own error, if it ended with one.

        On an interrupt the producer is stopped, the items that are there still come, and then the interrupt.
        """
        try:
            yield from self._until_the_end()
        except KeyboardInterrupt:
            self.stop()
            yield from self._left()
            raise
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Cancel the producer, if it still runs, and wait until it has cleaned up."""
        self._started.wait()
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # the loop may have closed by itself just now
                self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def _until_the_end(self) -> Iterator[Item]:
        while (item := self._items.get()) is not None:
            yield item[0]

    def _left(self) -> Iterator[Item]:
        with suppress(Empty):
            while (item := self._items.get_nowait()) is not None:
                yield item[0]

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except asyncio.CancelledError:
            pass  # somebody stopped it and knows
        except BaseExceptionGroup as group:
            self._error = group.exceptions[0]
        except Exception as error:
            self._error = error
        finally:
            self._started.set()
            self._items.put(None)

    async def _main(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._started.set()
        await self._produce(lambda item: self._items.put((item,)))
