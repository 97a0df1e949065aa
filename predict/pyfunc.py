"""The model as MLflow carries it: raw patients' tables in, predictions out. MLflow runs this file by itself."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from theracast.errors import DataError
from theracast.features.cohort import Cohort
from theracast.predict.predictor import Predictor


class ResponsePyfunc(PythonModel):
    """One wide table (``<table>:<column>``) in, one line per row out.

    Examples
    --------
    >>> ResponsePyfunc().predictor is None
    True
    """

    predictor: Predictor | None = None

    def load_context(self, context: Any) -> None:
        """Load the model folder; digests are checked before anything is read.

        Parameters
        ----------
        context : mlflow.pyfunc.PythonModelContext
            With the artifact ``model``.

        Examples
        --------
        >>> callable(ResponsePyfunc().load_context)
        True
        """
        self.predictor = Predictor.from_folder(Path(context.artifacts["model"]))
        # a whole transcriptome would be listed by name at every call: columns that the model does not read are no news
        logging.getLogger("mlflow.models.utils").addFilter(not_about_extra_columns)

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Score every row.

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
            One line per row, in order, indexed as the input: ``probability``, ``lower``, ``upper``, ``set``
            (``response``, ``no_response``, ``both``), ``decision`` (``response``, ``no_response``, ``abstain``,
            ``rejected``), ``reason``, ``tumour_type``, blocks and provenance.

        Raises
        ------
        DataError
            When a column is wrong as a whole. No value is repeated in the message.

        Examples
        --------
        >>> callable(ResponsePyfunc().predict)
        True
        """
        if self.predictor is None:
            raise DataError("the model is not loaded", code="THX-R05", fix="Load it with mlflow.pyfunc.load_model.")
        scores = self.predictor.score(Cohort.from_wide(model_input.dropna(axis=1, how="all"), allow_empty=True))
        return scores.aligned().set_axis(model_input.index)


def not_about_extra_columns(record: logging.LogRecord) -> bool:
    """Say whether a line of mlflow's log is worth reading.

    Parameters
    ----------
    record : LogRecord
        Of mlflow.

    Returns
    -------
    bool
        False for a list of columns that the model does not read.

    Examples
    --------
    >>> not_about_extra_columns(logging.makeLogRecord({"msg": "Found extra inputs in the model input"}))
    False
    """
    return not record.getMessage().startswith("Found extra inputs")


set_model(ResponsePyfunc())
