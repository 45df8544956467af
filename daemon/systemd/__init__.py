"""The unit as a service: what systemd, udev and journald are told of it, and its installer."""
