"""What a run will take, before it is queued: a sample of each source, shares of records, tokens, speeds. Asks no model and starts no job."""
