"""`python -m sim.fuzz.engine TARGET CORPUS [options of libFuzzer]`: the process that hunts.

atheris puts a counter at every branch of our code as it is imported, which is why a hunt has a
process of its own, where nothing of ours is imported before. It ends when libFuzzer does.
"""

import sys

# Whose branches count. tomllib is Python, and where a configuration's bytes go first.
INSTRUMENTED = ["protocol", "device", "daemon", "central", "provisioning", "tomllib"]


def main() -> None:
    import atheris

    from sim.fuzz.catalogue import find, module_of

    # The target's own branches too: they lead the hunt towards what it must not find.
    with atheris.instrument_imports(include=[*INSTRUMENTED, module_of(sys.argv[1])]):
        target = find(sys.argv[1])
        # What is imported at the first call would be instrumented no more.
        for seed in target.seeds():
            target.check(seed)
    atheris.Setup([sys.argv[0], f"-max_len={target.len_max}", *sys.argv[2:]], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
