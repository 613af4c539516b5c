"""AlertService: which thresholds of alerts customers have reached."""
