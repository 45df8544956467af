"""Many units asked at once how they are (real I/O)."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed

from provisioning.errors import ProvisioningError
from provisioning.hall.standing import Answer
from provisioning.reach import daemon
from provisioning.reach.place import Place

# As many as one laptop's network and its SSH clients carry without waiting for each other.
AT_ONCE = 16
ANSWER_S = 10.0


def ask(places: Mapping[str, Place], advance: Callable[[float], None]) -> dict[str, Answer]:
    """What each told, by name; `advance` is called with one for each that has answered."""
    found = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked: dict[Future[Answer], str] = {
            pool.submit(_ask, place): name for name, place in places.items()
        }
        for done in as_completed(asked):
            found[asked[done]] = done.result()
            advance(1)
    return found


def _ask(place: Place) -> Answer:
    try:
        return Answer(told=daemon.status(place, ANSWER_S))
    except ProvisioningError as error:
        return Answer(trouble=str(error))
