"""What happened, kept: MLflow's store, one run in it, where it came from, its pictures.

Nothing here trains, predicts or knows `learning`; a run is handed to whoever has something to log.
"""

import os

# With a server as its store MLflow prints each run's address on stdout, where `--json` has one object and nothing else.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
# A bar for each checkpoint that is read would be all that a sweep's terminal shows.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
