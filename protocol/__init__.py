"""The two contracts: the pad's line, and what the unit and the centre owe each other."""
