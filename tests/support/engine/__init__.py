"""Real engines, and what is sent to them."""
