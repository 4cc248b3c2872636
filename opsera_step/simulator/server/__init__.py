"""The simulator on the network: HTTP, access checks and faults, the admin API, the portal page."""
