"""The commands that correct recorded usage, and that show what was corrected."""
