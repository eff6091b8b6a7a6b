"""Thresholds and decisions on what was measured."""
