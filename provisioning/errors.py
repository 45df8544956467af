"""What may go wrong outside, each told in one sentence with what to do next."""


class ProvisioningError(Exception):
    """Trouble to tell and no traceback: `str` is the sentence, `hint` what to do next."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint
