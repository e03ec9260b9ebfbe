"""The server: models answer over HTTP. It predicts, and does nothing else."""
