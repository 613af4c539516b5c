"""Events on their way: encoded, batched, sent, judged and reported, on background threads."""
