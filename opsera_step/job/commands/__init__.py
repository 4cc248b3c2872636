"""The commands of a job, one module per group."""
