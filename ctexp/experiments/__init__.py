"""Whole pieces of work, from a source to an answer; a room each for training, evaluating, comparing and so on.

Here data, learning, tracking and registry meet. Nothing here parses a command line or prints: a `Watch` is told what
happens, a report is given back. The files beside the rooms are what several of them need.
"""
