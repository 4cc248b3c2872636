"""The chain: the image and the examples, used as their users will, with the tools they use.

`python3 dev.py chain` runs it. Nothing here is part of the product.
"""
