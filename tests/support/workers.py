"""How pytest's workers share the tests: what is costly to make is made by one of them.

A file's tests stay together, and those of a room whose files share a demo or a running server do too. Files are handed
out in the order in which they were collected, where the long rooms stand early.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/cli/", "tests/dashboard/")
"""Rooms whose files share a demo or a server."""
APART = ("tests/dashboard/background/", "tests/dashboard/server/")
"""Folders of such a room that share nothing with it."""


class Rooms(LoadScopeScheduling):
    """Hands out a file, or a whole room of `TOGETHER`, at a time."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return next((room for room in (*APART, *TOGETHER) if file.startswith(room)), file)
