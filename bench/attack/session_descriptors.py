"""Counts the dashboard's file descriptors while sessions are opened and closed: their number must stop growing.

python -m bench.attack.session_descriptors [SESSIONS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from bench.support.browser import serving
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

STEP = 40


def server_processes() -> list[int]:
    """Ids of the servers that this process started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        if b"child_process" in line and parent == int(Path("/proc/self").resolve().name):
            found.append(int(folder.name))
    return found


def main() -> None:
    """Open and close sessions one after another, and print the descriptors after every `STEP`."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    folder = Path(tempfile.mkdtemp())
    with closing(Store.open(sqlite_url(folder / "gnomon.db"))) as store:
        store.save_settings({"name": "t"})
    with serving({"t": sqlite_url(folder / "gnomon.db")}, folder / "log.txt") as address:
        (process,) = server_processes()
        open_files = Path(f"/proc/{process}/fd")
        host = urlsplit(address).netloc
        print(f"0 sessions: {len(list(open_files.iterdir()))} descriptors", flush=True)
        begun = time.monotonic()
        opened = partial(
            connect,
            f"ws://{host}/_stcore/stream",
            origin=Origin(f"http://{host}"),
            subprotocols=[Subprotocol("streamlit")],
        )
        for number in range(1, sessions + 1):
            with opened():
                pass
            if number % STEP == 0:
                there = len(list(open_files.iterdir()))
                print(f"{number} sessions, {time.monotonic() - begun:.0f} s: {there} descriptors", flush=True)
        time.sleep(130)
        with opened():
            pass
        print(f"after 130 s and one more: {len(list(open_files.iterdir()))} descriptors", flush=True)


if __name__ == "__main__":
    main()
