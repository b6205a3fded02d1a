"""Completed counts by other methods than the joint fit."""
