"""What is done on the unit itself, as root."""
