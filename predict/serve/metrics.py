"""What Prometheus reads: counts and times by route, status and fate. No label holds anything a caller sent."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from theracast.predict.serve.held import HeldModel
from theracast.predict.serve.refusals import ServiceError

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Counters of one service.

    Examples
    --------
    >>> metrics = Metrics()
    >>> metrics.request("/predict", 200, 0.1)
    >>> b'route="/predict"' in metrics.page(HeldModel(lambda: None))
    True
    """

    def __init__(self) -> None:
        self._all = CollectorRegistry()
        self._requests = Counter("theracast_requests", "Requests answered", ["route", "status"], registry=self._all)
        self._seconds = Histogram(
            "theracast_request_seconds", "Time to answer", ["route"], buckets=_SECONDS, registry=self._all
        )
        self._rows = Counter("theracast_rows", "Patients by what became of them", ["fate"], registry=self._all)
        self.in_flight = Gauge("theracast_in_flight", "Requests at work or waiting", registry=self._all)
        self._model = Gauge("theracast_model", "The model served", ["name", "version", "digest"], registry=self._all)
        self._ready = Gauge("theracast_ready", "1 when requests are answered", registry=self._all)
        self._stale = Gauge("theracast_stale", "1 when the registry could not be asked of late", registry=self._all)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Parameters
        ----------
        route : str
            One of ours, or ``other``.
        status : int
            HTTP.
        seconds : float
            From its first byte to its last.

        Examples
        --------
        >>> Metrics().request("/health", 200, 0.001)
        """
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def rows(self, account: dict[str, int]) -> None:
        """Count patients.

        Parameters
        ----------
        account : dict of str to int
            As `theracast.predict.records.Scores.account`.

        Examples
        --------
        >>> Metrics().rows({"rows_in": 2, "scored": 1, "abstained": 1, "rejected": 0})
        """
        for fate in ("scored", "abstained", "rejected"):
            self._rows.labels(fate).inc(account[fate])

    def page(self, held: HeldModel) -> bytes:
        """Write what Prometheus reads.

        Parameters
        ----------
        held : HeldModel
            For its version.

        Returns
        -------
        bytes
            Text format.

        Examples
        --------
        >>> b"theracast_ready 0.0" in Metrics().page(HeldModel(lambda: None))
        True
        """
        self._ready.set(held.ready)
        self._model.clear()
        try:
            model = held.current().named()
            self._model.labels(model["name"], model["version"], model["digest"][:12]).set(1)
            self._stale.set(model["stale"])
        except ServiceError:
            self._stale.set(0)
        return generate_latest(self._all)
