"""Requests to a language model, the store of what it answered, and the engines that run it. Knows nothing of roles or of Snakemake."""
