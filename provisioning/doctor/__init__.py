"""Why a window does not work: what is looked at, and what it means."""
