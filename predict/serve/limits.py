"""What one caller may ask of the service, as numbers."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """Bounds of the service; each has an answer of its own when it is passed.

    Attributes
    ----------
    body_bytes : int
        Of one request; more is answered 413, by the declared length before anything is read.
    bytes_in_flight : int
        Of all requests that are being read or worked on; more is answered 503.
    depth : int
        Of nested arrays and objects; looked at before the body is parsed.
    patients, columns, cells : int
        Of one request: rows; columns of all tables; rows times columns.
    text : int
        Characters of one cell or name.
    concurrency : int
        Requests at work or waiting; more are answered 503 with Retry-After.
    workers : int
        Threads that work on the model. Scoring is bound by the processor: more than cores is no gain.
    body_seconds, work_seconds, header_seconds : float
        For a body to arrive, for an answer to be made, for the head of a request to arrive.
    crowd : int
        Patients of several callers that are scored in one call.
    gather_seconds : float
        A call waits for others as long as one comes within this time of the last, and at most as long as the last
        call took.
    replays, replay_bytes, replay_seconds : int, int, float
        Answers that are kept for a repeated Idempotency-Key, in memory only.

    Examples
    --------
    >>> Limits().depth
    8
    """

    body_bytes: int = 16_000_000
    bytes_in_flight: int = 256_000_000
    depth: int = 8
    patients: int = 1_000
    columns: int = 70_000
    cells: int = 4_000_000
    text: int = 2_000
    concurrency: int = 64
    workers: int = field(default_factory=lambda: min(4, os.cpu_count() or 1))
    body_seconds: float = 20.0
    work_seconds: float = 60.0
    header_seconds: float = 10.0
    crowd: int = 128
    gather_seconds: float = 0.003
    replays: int = 1_000
    replay_bytes: int = 64_000_000
    replay_seconds: float = 600.0
