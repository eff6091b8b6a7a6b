"""Pairs, the formats that training programs load, and the card that documents them."""
