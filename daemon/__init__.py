"""The unit's daemon: binds each press to its case, keeps it, and brings it to the platform."""

VERSION = "0.1.0"
# yyyymmdd; no clock before it can be right.
RELEASED = 20261122
