"""Scenarios: what a simulation starts from, and how the simulated API behaves."""
