"""What the tests of dashboards and alert rules stand on: outside tools, PromQL's selectors, and histories for alerts."""
