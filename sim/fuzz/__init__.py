"""Coverage-guided fuzzing: bytes that reach new lines of our code are kept and changed further.

target      a function of bytes that states a property, and bytes to begin with
engine      the process that hunts: atheris (libFuzzer) around one target
hunt        starts an engine, reads what it found
kept        what was found once, replayed in every run of the tests
"""
