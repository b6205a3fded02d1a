"""Code versions of local judges. They are part of the judge version and are declared here, not derived from files.

A judge version identifies the judge that gave a stored verdict. It must change when the code gives other verdicts, and
must not change when a file is moved or renamed, or every study would run its local judges again. The version is
therefore a constant. Golden verdicts (tests/judging/test_code_versions.py) fail when the behaviour of a judge changes;
its entry here then gets a new value.
"""

from __future__ import annotations

CODE_VERSIONS = {
    "lexicon": "2509bc001e398d9c24126790079cf3db",
    "learned": "09d68db83d0a48b93ff2dd338304c454",
    "logprob": "0d9fb1536c48c44a8163884e489edfb4",
}
