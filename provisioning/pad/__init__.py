"""The pad's firmware, from this tree to a board."""
