"""The command line: one file a command group; each command parses, calls one function and prints its answer.

Nothing is worked out here, and no other room imports this one. Nothing heavy is imported at module level, so that
`ctexp --help` and every usage error are instant.
"""
