"""The reliable pair of ends: each edge arrives once, in order, and is acked after its commit.

The board imports pad_end only; this room joins both. Theory, and why no restart wedges the line:

* The pad numbers its edges from 1 in each boot and keeps each until a cumulative ack; it sends
  all of them again every RETRY_MS (go-back-N over at most QUEUE_LEN_MAX).
* The unit takes only the next number, so a repeat or a gap changes nothing. Its position is
  durable with the edge itself; Ack never goes past it.
* A position the unit does not know (new pad boot, lost card) is learnt from the base that every
  Hello and Status carries. Boot ids are random, so a number of another boot is never taken.
* The unit has one wanted command, the latest. It is sent again until a Status echoes its
  number; the pad applies a number once, and only a greater one than the last.
"""

from protocol.pad.pad_end import PadEnd as PadEnd
from protocol.pad.unit_end import UnitEnd as UnitEnd
