"""Colours and themes that every chart shares."""
