"""The local studio: a page where a network is seen computing, learning and being designed."""
