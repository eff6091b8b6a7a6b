"""Seed pairs, and the two models that are made of them."""
