"""Sweeps: what may vary, who proposes, who trains, what was found.

`definition` reads a sweep file, `oracle` proposes configurations, workers train them as trials, `report` explains the
end. Nothing here parses a command line or prints; a trial is a training that is not registered, in a process that may
die.
"""
