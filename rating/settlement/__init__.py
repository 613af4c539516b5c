"""What follows the lines of an invoice: commitments, credits, taxes, splits and adjustments."""
