"""[reasons]: what each key says after the rating, and which norm code that is at each level."""

from dataclasses import dataclass
from typing import Self

from daemon.case.reasons import Reason
from daemon.case.reasons import Reasons as Asked
from daemon.config.pad import LEVELS, TABLE_NAME, TABLE_NAME_ALLOWED
from daemon.config.table import Table

# Seven Chinese characters, or the same in letters, fit beside the key's number.
LABEL_LEN_MAX = 14
KEY_COUNT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """`asked` is None when the hall does not ask."""

    asked: Asked | None

    @classmethod
    def read(cls, table: Table) -> Self:
        if not table:
            return cls(asked=None)
        keys = [_reason(key) for key in table.tables("key", KEY_COUNT)]
        if len(keys) < KEY_COUNT:
            table.wrong("key", len(keys), f"{KEY_COUNT} tables, one for each key from the left")
        asked = Asked(
            table=table.text("table", "r1", fits=TABLE_NAME.fullmatch, allowed=TABLE_NAME_ALLOWED),
            ask_ms=table.milliseconds("ask_s", 3, 30, 8.0),
            keys=tuple(keys),
        )
        table.done()
        return cls(asked=asked)


def _reason(table: Table) -> Reason:
    label = table.text(
        "label",
        fits=lambda text: text.isprintable() and len(text) <= LABEL_LEN_MAX,
        allowed=f"at most {LABEL_LEN_MAX} characters, the same for every level",
    )
    allowed = "the norm codes (normCode) of the levels 5, 4, 3, 2, 1, in this order"
    codes = table.value("codes", None, allowed)
    if codes is not None and not _are_codes(codes):
        table.wrong("codes", codes, allowed)
        codes = None
    table.done()
    return Reason(label=label, codes=dict(zip(LEVELS, codes or [], strict=False)))


def _are_codes(codes: object) -> bool:
    """One active code of each level, as texts."""
    from protocol.central.codes import norms

    return (
        isinstance(codes, list)
        and len(codes) == len(LEVELS)
        and all(
            code in [norm.code for norm in norms(level)]
            for level, code in zip(LEVELS, codes, strict=True)
        )
    )
