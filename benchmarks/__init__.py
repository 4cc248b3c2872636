"""Measures of opsera-step and of what it is compared with; `python3 dev.py bench` runs them."""
