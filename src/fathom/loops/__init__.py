"""Training as loops compiled once for all networks: plain arrays in, plain arrays out."""
