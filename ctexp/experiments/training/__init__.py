"""One run from its data to a registered version: epochs that a kill cannot lose, folds, calibration, its record.

`train` is read first. Nothing here knows another run than its own.
"""
