"""Benchmarks of opsera-step and its alternatives; `python3 dev.py bench` runs them."""
