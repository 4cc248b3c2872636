"""Customers' accounts in SQLite, with passwords that are slow to guess."""

import hashlib
import hmac
import os
import sqlite3

ROUNDS = 2_000_000


def digest(password: str, salt: bytes) -> bytes:
    """Stretch a password."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS)


class Accounts:
    """The table of accounts."""

    def __init__(self, path: str) -> None:
        """Open or make the table."""
        self.database = sqlite3.connect(path)
        self.database.execute(
            "CREATE TABLE IF NOT EXISTS account (email TEXT PRIMARY KEY, salt BLOB, hash BLOB)"
        )

    def register(self, email: str, password: str) -> None:
        """Add an account."""
        salt = os.urandom(16)
        row = (email, salt, digest(password, salt))
        self.database.execute("INSERT INTO account VALUES (?, ?, ?)", row)

    def sign_in(self, email: str, password: str) -> bool:
        """Tell whether the password is the account's."""
        query = "SELECT salt, hash FROM account WHERE email = ?"
        row = self.database.execute(query, (email,)).fetchone()
        return row is not None and hmac.compare_digest(row[1], digest(password, row[0]))
