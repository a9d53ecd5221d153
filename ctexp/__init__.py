"""Experiment tracking and hyperparameter sweeps for 3D classification of chest CT scans.

Research software; not a medical device.
"""

import os

__version__ = "0.1.0"

# Nothing leaves the house: the usage reports of MLflow and Ray stay off unless the user turned them on by name. Said
# here, since it must be said before either is loaded, in every process and from whichever module one begins.
for _name, _off in {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "RAY_USAGE_STATS_ENABLED": "0"}.items():
    os.environ.setdefault(_name, _off)
