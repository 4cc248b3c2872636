"""Masking the values of keys that look secret."""

from __future__ import annotations

from opsera_step.text import MASK
from opsera_step.text.masking import holds_mask, is_secret_key, mask_secrets


def test_keys_that_look_secret():
    """Names under which tools keep passwords, tokens, and keys."""
    for key in (
        "password", "userPassword", "db_passwd", "PWD", "secret", "clientSecret", "tokens", "PAT",
        "aws_secret_access_key", "token", "accessToken", "api-token", "jAuthToken", "apiKey",
        "API_KEY", "x-api-key", "privateKey", "sshKey", "accessKey", "credentials", "passphrase",
        "Authorization", "connectionString", "kubeConfig", "pass", "db_pass", "PW", "jwt", "idJwt",
        ".dockerconfigjson", "pin", "TOTP", "sas",
    ):  # fmt: skip
        assert is_secret_key(key), key
        assert mask_secrets({key: "abc"}) == {key: MASK}


def test_keys_that_do_not():
    """Text about a secret, and words that contain a part of such a name."""
    for key in (
        "name", "key", "_id", "tokenId", "token_id", "secretName", "tokenType", "passwordExpiry",
        "tokenExpiresAt", "tokenUrl", "publicKey", "accessKeyId", "keyboard", "compass", "monkey",
        "bypass", "pinned", "sasl", "passed", "author", "credentialId", "secretManager",
        "maxTokens", "description", "",
    ):  # fmt: skip
        assert not is_secret_key(key), key
        assert mask_secrets({key: "abc"}) == {key: "abc"}


def test_a_whole_object():
    """All below a secret key is masked, whatever its type; what shows that nothing is set stays."""

    def data(secret, number, user, text, value):
        configuration = {
            "url": "https://j.example.com", "password": secret, "apiKey": number, "token": "",
            "credentials": [{"user": user, "id": None}, text, True], "secret": None,
            "hasToken": False,
        }  # fmt: skip
        parameters = [
            {"name": "API_TOKEN", "value": value, "type": "string"},
            {"name": "branch", "value": "main"},
        ]
        return {"name": "J", "configuration": configuration, "parameters": parameters, "count": 3}

    assert mask_secrets(data("p", 12345, "u", "x", "t")) == data(*[MASK] * 5)


def test_an_edited_export_is_recognized_by_the_mask():
    """An update with the mask as a value would destroy the password."""
    assert holds_mask({"configuration": {"password": MASK}})
    assert holds_mask([["a", MASK]])
    assert not holds_mask({"description": f"use {MASK} here", "password": "p", "n": None})
