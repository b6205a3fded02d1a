"""How pytest's workers share the tests: what is costly to make is made by one of them.

A file's tests stay together, and so do all tests of a room that use its demo or its running server. Groups are handed
out in the order in which they were collected, where the long rooms stand early.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadGroupScheduling

COSTLY = {"tests/cli/": "demo", "tests/dashboard/": "server"}
"""The session's fixture of a room that only one worker should make."""


def group_by_fixture(item: pytest.Item) -> None:
    """Mark a test that uses a costly fixture as one of a group (`--dist loadgroup`)."""
    for room, name in COSTLY.items():
        if item.nodeid.startswith(room) and name in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(name))


class FilesAndGroups(LoadGroupScheduling):
    """Hands out a group, or a file's other tests, at a time."""

    def _split_scope(self, nodeid: str) -> str:
        scope = super()._split_scope(nodeid)
        return scope.split("::", 1)[0]
