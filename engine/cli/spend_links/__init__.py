"""Links by which customers see what they spend."""
