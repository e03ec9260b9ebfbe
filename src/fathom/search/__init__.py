"""Designs networks: what is thinkable, where to begin, what to try next, which to keep."""
