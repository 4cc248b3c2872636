"""What a job can do, one module per group of commands."""
