"""What the page may ask for: the citizen's keys, the clerk's buttons, the switches."""

from collections.abc import Callable, Mapping
from typing import Any

from protocol.pad.messages import KEY_COUNT
from sim.brokers import BrokerUnavailable
from sim.demo.hall import SWITCHES, Hall
from sim.demo.plug import SERVER
from sim.demo.server import BadOrder
from sim.pads import VirtualPad


class Orders:
    """Carries out orders on a hall."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        clerk = hall.clerk
        self._plain: dict[str, Callable[[], object]] = {
            "call": clerk.call,
            "login": clerk.login,
            "logout": clerk.logout,
        }
        self._at_ticket: dict[str, Callable[[], object]] = {
            "recall": clerk.recall,
            "skip": clerk.skip,
            "complete": clerk.complete,
            "again": lambda: clerk.complete(same_case=True),
            "ask": clerk.ask,
        }

    def perform(self, action: str, order: Mapping[str, Any]) -> None:
        """Carry out one order; raises BadOrder when it makes no sense now."""
        if action in self._plain:
            self._plain[action]()
        elif action in self._at_ticket:
            if self._hall.clerk.ticket is None:
                raise BadOrder("call a ticket first")
            self._at_ticket[action]()
        elif action == "key-down":
            self._own_pad().down(_key(order))
        elif action == "key-up":
            self._own_pad().up(_key(order))
        elif action == "switch":
            self._switch(order)
        else:
            raise BadOrder("no such order")

    def _own_pad(self) -> VirtualPad:
        if self._hall.plug.runs_in != SERVER:
            raise BadOrder("the pad runs in a page, and its keys are there")
        return self._hall.pad

    def _switch(self, order: Mapping[str, Any]) -> None:
        name, on = order.get("name"), order.get("on")
        if name not in SWITCHES or not isinstance(on, bool):
            raise BadOrder(f"name is one of {', '.join(SWITCHES)}; on is true or false")
        try:
            self._hall.switch(name, on)
        except BrokerUnavailable as error:
            raise BadOrder(str(error)) from error


def _key(order: Mapping[str, Any]) -> int:
    key = order.get("key")
    if type(key) is not int or not 1 <= key <= KEY_COUNT:
        raise BadOrder(f"key is 1 to {KEY_COUNT}, from the left")
    return key
