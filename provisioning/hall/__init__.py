"""Every unit of a hall at once: how they are, and new programs for them."""
