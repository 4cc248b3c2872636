"""A private certificate authority, as companies have them."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path

import trustme


class Authority:
    """A private CA whose certificate is in `bundle`."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA(organization_name="Example CA")
        self.bundle = str(directory / "ca.pem")
        self._ca.cert_pem.write_to_path(self.bundle)

    def context(self, *names: str, days: float = 2.0) -> ssl.SSLContext:
        """Return a server's TLS context with a certificate for names, by default 127.0.0.1."""
        not_after = datetime.now(timezone.utc) + timedelta(days=days)
        not_before = min(datetime.now(timezone.utc), not_after) - timedelta(days=1)
        certificate = self._ca.issue_cert(
            *(names or ("127.0.0.1",)),
            organization_name="Example server",
            not_before=not_before,
            not_after=not_after,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context
