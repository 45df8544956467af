"""What the platform says to a unit on its down topics, as events (pure)."""

from collections.abc import Mapping

from daemon.events import Asked, ReceiptReceived, ReceiptRefused
from protocol.central import receipts, topics
from protocol.central.canonical import INT_MAX, BadJson, parse
from protocol.central.entry import Source
from protocol.central.receipts import BadReceipt
from protocol.central.signing import VerifyKey

ASK_LEN_MAX = 1024


def heard(
    topic: str, payload: bytes, source: Source, keys: Mapping[str, VerifyKey]
) -> ReceiptReceived | ReceiptRefused | Asked | None:
    """The event a message is; None for what says nothing to this unit.

    keys: the platform's, by kid. Whatever the bytes are, nothing is raised.
    """
    if topic == topics.down(source, topics.RECEIPT):
        return _receipt(payload, source, keys)
    if topic == topics.down(source, topics.ASK):
        return _asked(payload)
    return None


def _receipt(
    payload: bytes, source: Source, keys: Mapping[str, VerifyKey]
) -> ReceiptReceived | ReceiptRefused:
    try:
        receipt = receipts.read(payload, keys, source)
    except BadReceipt as error:
        return ReceiptRefused(f"a receipt was refused: {error}")
    return ReceiptReceived(receipt.epoch, receipt.upto, receipt.hash)


def _asked(payload: bytes) -> Asked | None:
    try:
        value = parse(payload) if len(payload) <= ASK_LEN_MAX else None
    except BadJson:
        return None
    if not isinstance(value, dict) or not {"epoch", "from", "upto"} <= value.keys():
        return None
    epoch, first, last = value["epoch"], value["from"], value["upto"]
    if type(epoch) is not str or type(first) is not int or type(last) is not int:
        return None
    # Not signed: a number that no journal can hold must not reach the journal.
    return Asked(epoch, first, last) if 1 <= first <= last <= INT_MAX else None
