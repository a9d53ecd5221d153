"""What happened, kept: MLflow's store, one run, where it came from, its pictures.

Nothing here trains or predicts; only this room and `ctexp.registry` import MLflow.
"""

import os

# Nothing leaves the house: MLflow's usage telemetry stays off unless the user turned it on by name.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
# With a server as its store MLflow prints each run's address on stdout, where `--json` has one object and nothing else.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
# A bar for each checkpoint that is read would be all that a sweep's terminal shows.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
