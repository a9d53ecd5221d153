"""Whole pieces of work: one training from a source to a registered version.

Here data, learning, tracking and registry meet. Nothing here parses or prints; a `Watch` is told what happens.
"""
