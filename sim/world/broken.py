"""What a check says of a hall in which something is that may not be."""


class Broken(Exception):
    """A promise does not hold; the text says which."""
