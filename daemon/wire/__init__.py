"""The serial lines: ports, the pad on one and the queue terminal on the other."""
