"""The model as MLflow carries it: raw patients' tables in, predictions out. MLflow runs this file by itself."""

from __future__ import annotations

import logging
import os
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
        keep_patients_out_of_messages()

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
            When a column is wrong as a whole, or no column is one that the model reads. No value is repeated in the
            message.

        Examples
        --------
        >>> callable(ResponsePyfunc().predict)
        True
        """
        if self.predictor is None:
            raise DataError("the model is not loaded", code="THX-R05", fix="Load it with mlflow.pyfunc.load_model.")
        return self.predictor.score(patients_of(model_input)).aligned().set_axis(model_input.index)


def patients_of(model_input: pd.DataFrame) -> Cohort:
    """Read what MLflow hands to a model.

    Parameters
    ----------
    model_input : DataFrame
        After MLflow took away the columns that the signature does not name.

    Returns
    -------
    Cohort
        One patient per row; a column without any value is not there.

    Raises
    ------
    DataError
        THX-D33 when no column is left: MLflow has lost the rows with them.

    Examples
    --------
    >>> len(patients_of(pd.DataFrame({"clinical:age": [61.0, None]}, index=["p1", "p2"])))
    2
    """
    if not len(model_input.columns):
        raise DataError(
            "no column is one that the model reads",
            code="THX-D33",
            wanted="columns named <table>:<column>, such as clinical:age; the model's signature lists them",
        )
    return Cohort.from_wide(model_input.dropna(axis=1, how="all"), allow_empty=True)


def keep_patients_out_of_messages() -> None:
    """Tell MLflow not to print patients' rows in its errors, nor the names of thousands of genes in its log.

    Examples
    --------
    >>> keep_patients_out_of_messages()
    >>> os.environ["MLFLOW_DISABLE_SCHEMA_DETAILS"]
    'true'
    """
    os.environ.setdefault("MLFLOW_DISABLE_SCHEMA_DETAILS", "true")
    # a whole transcriptome would be listed by name at every call: columns that the model does not read are no news
    log = logging.getLogger("mlflow.models.utils")
    log.removeFilter(not_about_extra_columns)
    log.addFilter(not_about_extra_columns)


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
