"""The simulated Opsera: pipelines, runs, logs, tools, tasks, users, and audit logs over time."""
