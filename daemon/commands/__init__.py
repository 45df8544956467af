"""What `python -m daemon` can do.

A command is a module with NAME, HELP, configure(parser) and run(arguments) -> exit code.
"""
