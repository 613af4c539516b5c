"""The oracle of admission, and streams of bytes."""
