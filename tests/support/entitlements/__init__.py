"""Reservations under random schedules."""
