"""SimulationService: what another catalog would have made of past usage."""
