"""`python -m sim.fuzz.engine TARGET CORPUS [options of libFuzzer]`: the process that hunts.

atheris puts a counter at every branch of our code as it is imported, which is why a hunt has a
process of its own, where nothing of ours is imported before. It ends when libFuzzer does.
"""

import logging
import sys
from contextlib import suppress

# Whose branches count. tomllib is Python, and where a configuration's bytes go first.
INSTRUMENTED = ["protocol", "device", "daemon", "central", "provisioning", "tomllib"]


def main() -> None:
    import atheris

    # What a unit says of each damage would be most of an engine's work.
    logging.disable()

    from sim.fuzz.catalogue import find, module_of

    # The target's own branches too: they lead the hunt towards what it must not find.
    with atheris.instrument_imports(include=[*INSTRUMENTED, module_of(sys.argv[1])]):
        target = find(sys.argv[1])
        # What is imported at a first call would be instrumented no more. A seed that breaks the
        # property is told by the hunt, for which it is an input like any other.
        for seed in target.seeds():
            with suppress(Exception):
                target.check(seed)
    atheris.Setup([sys.argv[0], f"-max_len={target.len_max}", *sys.argv[2:]], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
