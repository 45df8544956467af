"""The pad's line: frames, messages and the reliable pair of ends (see PROTOCOL.md)."""

VERSION = 1
