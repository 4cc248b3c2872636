"""Accounts keep their passwords."""

import sys

import pytest
from shop.accounts import Accounts


@pytest.fixture
def accounts(tmp_path):
    return Accounts(str(tmp_path / "shop.db"))


def test_sign_in(accounts):
    accounts.register("ada@example.com", "correct horse")
    assert accounts.sign_in("ada@example.com", "correct horse")


@pytest.mark.parametrize("password", ["", "battery staple", "Correct horse", "пароль"])
def test_wrong_password(accounts, password):
    accounts.register("ada@example.com", "correct horse")
    assert not accounts.sign_in("ada@example.com", password)


def test_nobody(accounts):
    assert not accounts.sign_in("bob@example.com", "anything")


@pytest.mark.xfail(reason="addresses are compared as written, see #41", strict=True)
def test_address_in_capitals(accounts):
    accounts.register("ada@example.com", "correct horse")
    assert accounts.sign_in("ADA@example.com", "correct horse")


@pytest.mark.skipif(sys.platform != "win32", reason="only on Windows")
def test_file_is_locked(accounts):
    raise NotImplementedError
