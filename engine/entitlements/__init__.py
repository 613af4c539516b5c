"""What customers may use: features and limits of their plans, what is used of them, and what is reserved."""
