"""A choice between therapies as MLflow carries it: raw patients' tables in, therapies out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from theracast.errors import DataError
from theracast.predict.pyfunc import keep_patients_out_of_messages, patients_of
from theracast.predict.therapies import SelectionPredictor


class SelectionPyfunc(PythonModel):
    """One wide table (``<table>:<column>``) in, one line per row out.

    Examples
    --------
    >>> SelectionPyfunc().predictor is None
    True
    """

    predictor: SelectionPredictor | None = None

    def load_context(self, context: Any) -> None:
        """Load the model folder; digests are checked before anything is read.

        Parameters
        ----------
        context : mlflow.pyfunc.PythonModelContext
            With the artifact ``model``.

        Examples
        --------
        >>> callable(SelectionPyfunc().load_context)
        True
        """
        self.predictor = SelectionPredictor.from_folder(Path(context.artifacts["model"]))
        keep_patients_out_of_messages()

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Lay the therapies side by side for every row.

        Parameters
        ----------
        context : mlflow.pyfunc.PythonModelContext
            Not used.
        model_input : DataFrame
            Columns ``<table>:<column>``; ids in ``patient_id`` or in the index. Missing columns are missing values.
        params : dict, optional
            None are known.

        Returns
        -------
        DataFrame
            One line per row, in order, indexed as the input: as `theracast.predict.therapies.Rankings.aligned`.

        Raises
        ------
        DataError
            When a column is wrong as a whole, or no column is one that the model reads. No value is repeated in the
            message.

        Examples
        --------
        >>> callable(SelectionPyfunc().predict)
        True
        """
        if self.predictor is None:
            raise DataError("the model is not loaded", code="THX-R05", fix="Load it with mlflow.pyfunc.load_model.")
        return self.predictor.rank(patients_of(model_input)).aligned().set_axis(model_input.index)


set_model(SelectionPyfunc())
