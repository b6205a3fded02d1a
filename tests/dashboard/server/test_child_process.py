"""The server's own process: sessions that were opened and closed do not use up its files."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

CODE = """
import resource
from gnomon.dashboard.server.child_process import allow_descriptors
allow_descriptors()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.attack
@pytest.mark.parametrize(("most", "wanted"), [(None, 4_096), (1_000, 1_000)])
def test_a_low_limit_of_open_files_is_raised_as_far_as_the_system_allows(most, wanted):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1] if most is None else most
    if most is None and hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip("the system allows fewer")

    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))

    done = subprocess.run(
        [sys.executable, "-P", "-c", CODE], preexec_fn=lower, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(wanted), str(hard)]
