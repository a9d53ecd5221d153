"""Whole pieces of work, from a source to an answer: train, predict, evaluate, compare, promote, reproduce.

Here data, learning, tracking and registry meet. Nothing here parses a command line or prints: a `Watch` is told what
happens, a report is given back.
"""
