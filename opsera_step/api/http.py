"""The package requests, loaded without the packages with which it guesses encodings.

They take a tenth of the start-up, and guessing would take unbounded time on a hostile response. The
API answers in UTF-8.
"""

import sys
import warnings

_hidden = {"chardet", "charset_normalizer"} - sys.modules.keys()
sys.modules.update(dict.fromkeys(_hidden))  # type: ignore[arg-type]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # requests warns that they are missing.
    import requests
for _name in _hidden:
    del sys.modules[_name]

__all__ = ["requests"]
