"""Compression: what makes a trained network smaller, and what that does to it."""
