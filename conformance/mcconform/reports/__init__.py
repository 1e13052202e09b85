"""Reports: each reads events and nothing else, and knows nothing of the others."""
