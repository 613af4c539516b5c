"""ExplanationService: why lines come to what they come to."""
