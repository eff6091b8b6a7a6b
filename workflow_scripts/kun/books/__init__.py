"""What every stage shares: tables written row by row, ledgers that must balance, digests, progress. Knows nothing of text or models."""
