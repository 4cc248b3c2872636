"""The customer API over HTTP. Nothing of requests or urllib3 gets out of here."""

from opsera_step.client.api import OpseraClient
from opsera_step.client.transport import LONGEST_RETRY_AFTER

__all__ = ["LONGEST_RETRY_AFTER", "OpseraClient"]
