"""A catalog document read and compared: its text, its mistakes with their places, and what it changes. Pure."""
