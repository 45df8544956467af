"""Every step of the core, written down so that it can be replayed."""
