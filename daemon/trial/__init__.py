"""A technician's test of one window: what may be asked for, and how it goes."""
