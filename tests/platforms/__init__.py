"""Platform tests: the image, the actions, and the examples with real container and CI tools.

`python3 dev.py platforms` runs it. Nothing here is part of the product.
"""
