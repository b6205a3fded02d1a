"""Versions of the code of local judges: part of their judge version, declared here instead of derived from files.

A judge version says whether a stored verdict was given by the judge at hand. It must change when the code gives other
verdicts, and must not when a file is moved or a name improves, or every study would ask its local judges again. So the
version is a constant. Golden verdicts (tests/judging/test_code_versions.py) fail when the behaviour of a judge changes;
its entry here then gets a new value.
"""

from __future__ import annotations

CODE_VERSIONS = {
    "lexicon": "2509bc001e398d9c24126790079cf3db",
    "learned": "09d68db83d0a48b93ff2dd338304c454",
    "logprob": "0d9fb1536c48c44a8163884e489edfb4",
}
