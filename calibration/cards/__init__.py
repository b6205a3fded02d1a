"""The calibration card of a judge version: what it was measured by, what may be built on it, and when it is stale."""
