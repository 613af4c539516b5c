"""JournalService: the double-entry journal of what is billed and paid."""
