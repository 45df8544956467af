"""The demo: a window, its clerk and the platform on one page, and a morning by script."""
