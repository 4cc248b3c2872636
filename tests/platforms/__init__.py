"""The image and the examples, used as their users will, with the tools they use.

`python3 dev.py platforms` runs it. Nothing here is part of the product.
"""
