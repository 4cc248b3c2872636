"""Mask the values of API objects whose keys look secret. Pure.

Tool configurations hold passwords, tokens, and keys under names that differ from tool to tool, so
the key decides. A name in a `{"name": …, "value": …}` pair counts like a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from opsera_step.text.redaction import MASK

_SECRET = re.compile(
    r"passw(?:or)?d|passphrase|pwd$|secret|token|credential|bearer|authorization|kubeconfig"
    r"|^(?:db|user|admin|login|smtp|ftp)?(?:pass|pw)$|jwt$|dockerconfigjson|^pin(?:code)?$|^sas$"
    r"|(?:api|access|private|encryption|signing|ssh|auth|account|shared|master|license)key"
    r"|connectionstring|^pat$|^t?otp$|^psk$"
)
_PUBLIC = re.compile(
    r"(?:ids?|names?|types?|labels?|url|uri|endpoint|path|scopes?|count|length|status|state|ttl"
    r"|algorithm|version|expiry|expiration|(?:expires?d?|created|updated|issued)(?:at|in|on|by)?"
    r"|policy|manager|provider|format|header|field|limit|enabled|required|(?:max|total)tokens)$"
)
"""Attributes of a secret that are not secret: tokenId, secretName, passwordExpiry."""


def mask_secrets(data: Any) -> Any:
    """Return JSON data with `***` in place of each text or number whose key looks secret.

    Everything below such a key is masked too. Empty texts, booleans, and null stay: they show that
    nothing is set.
    """
    if isinstance(data, Mapping):
        named = is_secret_key(str(data.get("name") or data.get("key") or data.get("label") or ""))
        return {
            key: _masked(value)
            if is_secret_key(str(key)) or (named and key == "value")
            else mask_secrets(value)
            for key, value in data.items()
        }
    if isinstance(data, (list, tuple)):
        return [mask_secrets(one) for one in data]
    return data


def masked_texts(data: Any, masked: Any) -> Iterator[str]:
    """Yield the texts and numbers in JSON data that `mask_secrets` replaced."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from masked_texts(value, masked[key])
    elif isinstance(data, (list, tuple)):
        for value, other in zip(data, masked, strict=True):
            yield from masked_texts(value, other)
    elif masked == MASK:
        yield str(data)


def is_secret_key(key: str) -> bool:
    """Whether the name of a value suggests a password, a token, a key, or similar."""
    plain = re.sub(r"[^a-z0-9]", "", key.lower())
    return bool(_SECRET.search(plain)) and not _PUBLIC.search(plain)


def holds_mask(data: Any) -> bool:
    """Whether a value anywhere in JSON data is the mask, as in an export that was edited."""
    if isinstance(data, Mapping):
        return any(map(holds_mask, data.values()))
    if isinstance(data, (list, tuple)):
        return any(map(holds_mask, data))
    return bool(data == MASK)


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _masked(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(one) for one in value]
    return value if value is None or value == "" or isinstance(value, bool) else MASK
