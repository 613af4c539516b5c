"""The commands that read and expire metered usage."""
