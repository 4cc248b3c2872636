"""Fault injection: seeded schedules of everything that can go wrong, and a judge."""
