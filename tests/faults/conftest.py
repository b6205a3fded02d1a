"""Where the other rooms' tiny models and browsers are found."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "generation"), str(TESTS / "dashboard")]
