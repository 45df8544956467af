"""The case at the window: from a call to exactly one rating record."""
