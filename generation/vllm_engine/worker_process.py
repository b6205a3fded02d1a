"""Starts vLLM's process and talks to it: a socket, and a thread that receives."""

from __future__ import annotations

import socket
import subprocess
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryFile
from typing import IO

from gnomon.data.errors import GnomonError
from gnomon.generation.vllm_engine.vllm_environment import VllmEnvironment
from gnomon.generation.vllm_engine.worker_messages import (
    FAILED,
    STARTED,
    Frame,
    WorkerSettings,
    read_frame,
    write_frame,
)

PROGRAM = """
import sys
sys.path.append(sys.argv[1])
from gnomon.generation.vllm_engine.vllm_worker import main
main(int(sys.argv[2]))
"""
"""Gnomon stands last in the search path: all libraries are those of vLLM's environment."""
TAIL = 4096


class VllmProcess:
    """vLLM in a process of its own, with a model loaded.

    Parameters
    ----------
    subject : str
        Name of the subject, for messages.
    environment : VllmEnvironment
        The installation.
    settings : WorkerSettings
        How the model is loaded.
    variables : mapping of str to str
        Environment variables of the process.
    program : str
        What it runs; a test may put another in its place.

    Attributes
    ----------
    held_vectors : OrderedDict of str to int
        Vectors that the process holds, oldest first, with their sizes in bytes. Who sends some keeps it up to date.

    Raises
    ------
    GnomonError
        If vLLM cannot load the model, or its architecture cannot be steered.
    """

    def __init__(
        self,
        subject: str,
        environment: VllmEnvironment,
        settings: WorkerSettings,
        variables: Mapping[str, str],
        program: str = PROGRAM,
    ) -> None:
        self.settings, self._subject = settings, subject
        self.held_vectors: OrderedDict[str, int] = OrderedDict()
        self._log: IO[bytes] = TemporaryFile()  # noqa: SIM115 (open as long as the process runs)
        ours, theirs = socket.socketpair()
        root = Path(__file__).absolute().parents[3]  # where the package `gnomon` lies
        self._process = subprocess.Popen(
            [environment.python, "-P", "-c", program, str(root), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        theirs.close()
        self._connection = ours
        self._frames: SimpleQueue[Frame | None] = SimpleQueue()
        threading.Thread(target=_receive_frames, args=(ours, self._frames), daemon=True).start()
        self.close = weakref.finalize(self, _end_process, ours, self._process, self._log)
        self.send("settings", asdict(settings))
        self.facts: Mapping[str, str] = self.receive(STARTED).content

    def send(self, kind: str, content: object, blobs: Sequence[bytes] = ()) -> None:
        """Send a message.

        Parameters
        ----------
        kind : str
            What it is.
        content : object
            A value of JSON.
        blobs : sequence of bytes
            Bytes that go with it.
        """
        try:
            write_frame(self._connection, kind, content, blobs)
        except OSError as error:
            raise self._death() from error

    def receive(self, *kinds: str) -> Frame:
        """The next message of the given kinds; others are dropped.

        Parameters
        ----------
        *kinds : str
            Kinds of messages.

        Raises
        ------
        GnomonError
            If the process has ended, with the reason that it gave.
        """
        while True:
            try:
                frame = self._frames.get(timeout=1.0)
            except Empty:
                if self._process.poll() is not None and self._frames.empty():
                    raise self._death() from None
                continue
            if frame is None:
                raise self._death()
            if frame.kind == FAILED:
                self.close()
                raise GnomonError(f"subject '{self._subject}': vLLM can't run it: {frame.content}")
            if frame.kind in kinds:
                return frame

    @property
    def number(self) -> int:
        """The process's number (PID)."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def _death(self) -> GnomonError:
        """What to say of a process that has ended without a reason: the last line that it wrote."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        if self._log.closed:
            return GnomonError(f"subject '{self._subject}': vLLM's process has been ended")
        self._log.seek(0, 2)
        self._log.seek(max(0, self._log.tell() - TAIL))
        lines = [line.strip() for line in self._log.read().decode(errors="replace").splitlines() if line.strip()]
        last = f": {lines[-1][:300]}" if lines else ""
        self.close()
        return GnomonError(
            f"subject '{self._subject}': vLLM's process ended (code {self._process.returncode}){last}: what was "
            "generated is stored: run again"
        )


def _receive_frames(connection: socket.socket, frames: SimpleQueue[Frame | None]) -> None:
    receive: Callable[[socket.socket], Frame | None] = read_frame
    while (frame := receive(connection)) is not None:
        frames.put(frame)
    frames.put(None)


def _end_process(connection: socket.socket, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    """Close the connection, which ends the process; after a while, kill it."""
    log.close()
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
