"""Measures of the chat models, for people to look at. Nothing is selected by them."""
