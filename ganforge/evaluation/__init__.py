"""Measuring how good a generator's samples are."""
