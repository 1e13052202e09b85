"""One abstract operation said in two protocols: the same cache, and answers that mean the same."""
