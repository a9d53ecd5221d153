"""The command line: one file a command group; each command parses, calls one function and prints its answer.

Nothing heavy is imported at module level, so that `ctexp --help` and every usage error are instant.
"""
