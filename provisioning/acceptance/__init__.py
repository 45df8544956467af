"""The acceptance of a window: tried at the counter, signed by the unit, printed on one page."""
