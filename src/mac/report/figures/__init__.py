"""Figures of a report, a file each."""
