"""A fresh card as a unit that asks for its enrolment by itself: what is put on it, and there."""
