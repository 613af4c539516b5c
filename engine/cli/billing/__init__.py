"""The commands that show money: rated lines and spend."""
