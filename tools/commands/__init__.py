"""One module per command: `add_arguments(parser)` says what it takes, `run(args)` does it -> exit code.

Modules import what is heavy inside `run`, so that `voxtide --help` answers at once.
"""
