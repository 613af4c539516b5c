"""One module for each step. A released step is never edited; the next one mends it."""
