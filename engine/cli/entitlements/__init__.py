"""Commands about what customers may use."""
