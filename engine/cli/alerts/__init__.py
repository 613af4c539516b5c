"""The commands of alerts: `alert-crossings`. Alerts themselves are resources, whose commands are in `catalog`."""
