"""What stands in for hardware, people and networks: for tests, for the bench and for the demo."""
