"""What must not reach the disk (pure): a text that bears a citizen's ID number, phone or plate."""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable

from daemon import RELEASED

# GB 11643: 17 digits and a check character; the 15-digit form of before 1999 has none.
_ID_18 = re.compile(r"(?=([1-9][0-9]{16}[0-9Xx]))")
_ID_15 = re.compile(r"[1-9][0-9]{7}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
# A mobile number of 11 digits, alone or with the country's code. Inside a longer number, as a case
# has, or a shorter one, the form proves nothing.
_MOBILE = re.compile(r"(?<![0-9])(?:\+?86[ -]?)?1[3-9][0-9]([ -]?)[0-9]{4}\1[0-9]{4}(?![0-9])")
# GA 36: the province's character, a letter for the city, five or six characters, at times a dot.
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]"
    r"[A-HJ-Z][ ·.-]?[A-HJ-NP-Z0-9]{4,5}[A-HJ-NP-Z0-9挂学警港澳]"
)


def bears_contact(text: str) -> bool:
    """Whether a mobile number or a vehicle's plate stands in the text.

    For what describes, such as an item's name: a key may look like a mobile number by chance, for
    the area codes of five provinces begin like one.
    """
    plain = unicodedata.normalize("NFKC", text).upper()
    return bool(_MOBILE.search(plain) or _PLATE.search(plain))


def bears_id_number(text: str, born_before: int) -> bool:
    """Whether the ID number of a resident born before `born_before` stands anywhere in the text.

    born_before: yyyymmdd. A case number often is an area code, the day and a count: the same form,
    and one in eleven has a fitting check digit. The day tells them apart.
    18 digits count when birthday and check character fit (ISO 7064 MOD 11-2, GB 11643). 15 digits
    count only when they are the whole text: inside a longer number the form proves nothing.
    Full-width digits are digits.
    """
    plain = unicodedata.normalize("NFKC", text)
    found = any(_is_id_18(digits, born_before) for digits in _ID_18.findall(plain))
    return found or bool(_ID_15.fullmatch(plain))


def born_before(today: int) -> int:
    """A year before `today` (yyyymmdd), which a clock without a battery may put long before now."""
    return max(today, RELEASED) - 10_000


def _is_id_18(digits: str, born_before: int) -> bool:
    year, month, day = int(digits[6:10]), int(digits[10:12]), int(digits[12:14])
    if not (year >= 1880 and 1 <= month <= 12 and 1 <= day <= 31):
        return False
    if int(digits[6:14]) >= born_before:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == digits[17].upper()


def concealer(secret: bytes, born_before: int) -> Callable[[str], str]:
    """A function that replaces a text bearing an ID number by its HMAC, and keeps others."""

    def conceal(text: str) -> str:
        if not bears_id_number(text, born_before):
            return text
        return "hmac-" + hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()[:40]

    return conceal
