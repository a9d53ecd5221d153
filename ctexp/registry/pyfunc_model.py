"""The registered model as MLflow serves it: a table of scans in, a table of answers out.

MLflow runs this file as text ("models from code"); it holds no state and no pickle.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from ctexp.errors import InputError
from ctexp.registry.predictor import Predictor
from ctexp.registry.serving import RESULTS, answer_table


class BadInput(MlflowException):  # type: ignore[misc]  # mlflow's base class is untyped
    """A request that cannot be answered, with the sentence that says why; MLflow's server makes it HTTP 400."""

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        super().__init__(sentence, error_code=BAD_REQUEST)

    @property
    def message(self) -> str:
        """The sentence alone: the server would put the whole input, a patient's scan, before it."""
        return self._sentence

    @message.setter
    def message(self, longer: str) -> None:
        """Keep the sentence."""


class CtPredictor(PythonModel):  # type: ignore[misc]  # mlflow's base class is untyped
    """Answers on scans in the columns `path`, `nifti` or `array`; see `ctexp.registry.serving`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the network that lies beside this file."""
        self._predictor = Predictor(Path(context.artifacts["predictor"]))

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Give `normal`, `abnormal`, `label`, `quality` and `findings` for each row.

        Raises:
            BadInput: a row breaks a rule; none is answered then.
        """
        try:
            return pd.DataFrame(answer_table(self._predictor, model_input), columns=list(RESULTS))
        except InputError as error:
            raise BadInput(str(error)) from error


mlflow.models.set_model(CtPredictor())
