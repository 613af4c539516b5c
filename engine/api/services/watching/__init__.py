"""What a customer watches: spend that is told again whenever it changes."""
