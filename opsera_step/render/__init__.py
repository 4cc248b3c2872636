"""What people read: the job log, the verdict, the summary, the reports. Knows no platform."""
