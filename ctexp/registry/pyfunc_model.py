"""The registered model as MLflow serves it: a column `path` in, probabilities out.

MLflow runs this file as text ("models from code"); it holds no state and no pickle.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from ctexp.errors import ScanError
from ctexp.registry.predictor import Predictor
from ctexp.scans.read import read_scan


class CtPredictor(PythonModel):  # type: ignore[misc]  # mlflow's base class is untyped
    """Answers on scan files that the serving process can read."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the network that lies beside this file."""
        self._predictor = Predictor(Path(context.artifacts["predictor"]))

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Give `normal`, `abnormal` and `label` for each path."""
        return pd.DataFrame([self._answer(Path(path)) for path in model_input["path"]])

    def _answer(self, path: Path) -> dict[str, Any]:
        outcome = self._predictor.answer(read_scan(path))
        if outcome.prediction is None:
            raise ScanError(f"{path}: {outcome.refusal}")
        one = outcome.prediction
        return {"normal": one.normal, "abnormal": one.abnormal, "label": one.label}


mlflow.models.set_model(CtPredictor())
