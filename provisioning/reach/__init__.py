"""How the office reaches a unit."""
