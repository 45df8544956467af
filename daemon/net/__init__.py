"""The way to the platform: what is sent, what is delivered, the connection to the broker."""
