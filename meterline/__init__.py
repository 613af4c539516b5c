"""Meterline's client: record usage events and read spend."""
