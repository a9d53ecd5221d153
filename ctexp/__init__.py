"""Experiment tracking and hyperparameter sweeps for 3D classification of chest CT scans.

Research software; not a medical device.
"""

__version__ = "0.1.0"
