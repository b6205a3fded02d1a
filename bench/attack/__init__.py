"""Attacks that are measured and not asserted: how much work and memory the worst input takes."""
