"""Kun: raw Chinese web text to an instruction dataset by back-translation with answer polishment. docs/architecture.md is the map."""
