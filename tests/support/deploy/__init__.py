"""What the tests of container, compose file and chart share."""
