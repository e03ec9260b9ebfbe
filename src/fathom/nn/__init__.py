"""What computes: layers, losses, and the network they form."""
