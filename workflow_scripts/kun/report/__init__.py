"""From ledgers to numbers, tables and pictures. Reads files and calls none of the others' work."""
