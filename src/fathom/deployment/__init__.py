"""A fitted estimator leaves home."""
