"""Measurements, each one command; their figures stand in docs/."""
