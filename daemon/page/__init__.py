"""The technician's page: the unit's state over HTTP; nothing on it tells one level from another."""
