"""What is metered, what it costs, and who buys it: documents in, versioned snapshots out."""
