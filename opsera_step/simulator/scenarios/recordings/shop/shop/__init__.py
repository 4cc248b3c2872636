"""A small shop, just big enough to be tested."""
