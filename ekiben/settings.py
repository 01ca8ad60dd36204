"""Every EKIBEN_ setting in one frozen object, read once from a mapping."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ekiben.errors import InvalidSettings

PREFIX = "EKIBEN_"
SERVICE_LINK = re.compile(r"EKIBEN_(\w+_)?(SERVICE_(HOST|PORT)|PORT)(_.+)?$")
"""What Kubernetes adds to every container beside a Service named ekiben; none is a setting."""

RATE = re.compile(r"[1-9][0-9]{0,6}/(second|minute)")
DATABASE_URL = re.compile(r"(sqlite:///[^:?#]+|postgresql(\+psycopg)?://.+)$")
"""A file, never `:memory:`: several processes read one ledger."""


class Settings(BaseModel):
    """The settings of one process; field `x_y` is read from `EKIBEN_X_Y`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(
        default=Path.home() / "bentoml",
        description="Where the model store is. Read from `BENTOML_HOME`.",
    )
    database_url: str | None = Field(
        default=None,
        repr=False,  # it may hold a password
        description="Where the ledger is: `sqlite:////path/to/file` or "
        "`postgresql://user:password@host/database`. "
        "Empty: a SQLite file under `BENTOML_HOME`.",
    )
    actor: str | None = Field(
        default=None,
        max_length=200,
        description="Who the ledger names for a promotion or rollback. "
        "Empty: the login name.",
    )
    data_dir: Path | None = Field(
        default=None,
        description="A folder with the public data files under their own names.",
    )
    offline: bool = Field(
        default=False, description="Never download: use the sample at once."
    )
    models: tuple[str, ...] = Field(
        default=(),
        description="The use cases to serve, separated by commas. Empty: all.",
    )
    releases: Literal["follow", "pinned"] | None = Field(
        default=None,
        description="`follow` the production alias, or `pinned` to the Bento. "
        "Empty: pinned inside a Bento, follow elsewhere.",
    )
    auth: Literal["off", "required"] | None = Field(
        default=None,
        description="Whether requests need a key or token: `required`, or `off`, which is "
        "refused unless the server binds a loopback address outside a container. "
        "Empty: off there, required everywhere else.",
    )
    key_pepper: str | None = Field(
        default=None,
        min_length=32,
        repr=False,
        description="The secret that digests of API keys are made with, 32 characters or "
        "more. Empty: with SQLite a generated file under `BENTOML_HOME`; "
        "PostgreSQL needs it.",
    )
    open_docs: bool = Field(
        default=False,
        description="Show `/docs`, `/redoc`, `/openapi.json` and `/schema.json` "
        "to everybody.",
    )
    open_metrics: bool = Field(
        default=False, description="Show `/metrics` to everybody."
    )
    rate_limit: str | None = Field(
        default=None,
        description="Requests that a caller may send, such as `50/second` or "
        "`600/minute`, per worker process. A key's own rate goes first. Empty: no limit.",
    )
    rows_per_day: int | None = Field(
        default=None,
        ge=1,
        description="Rows that a caller may have predicted per day, UTC. "
        "A key's own number goes first. Empty: no limit.",
    )
    probability_decimals: int | None = Field(
        default=None,
        ge=1,
        le=12,
        description="Decimals that probabilities are rounded to in answers and in the "
        "prediction log, so that answers tell less of the model. Empty: not rounded.",
    )
    jwt_jwks: str | None = Field(
        default=None,
        description="The token issuer's public keys: a file or an https address with a "
        "JSON Web Key Set. Empty: tokens are not taken.",
    )
    jwt_issuer: str | None = Field(
        default=None, description="What a token's `iss` has to be."
    )
    jwt_audience: str | None = Field(
        default=None, description="What a token's `aud` has to hold."
    )
    jwt_algorithms: tuple[str, ...] = Field(
        default=("RS256", "ES256", "EdDSA"),
        description="Signature algorithms that are taken, separated by commas; "
        "only asymmetric ones.",
    )
    fast_route: bool = Field(
        default=True,
        description="Answer predictions in the outermost layer. Off: BentoML's own path.",
    )
    arrow: bool = Field(
        default=True,
        description="Take and give predictions as Arrow tables, too. Off: JSON only.",
    )
    rows_in_flight: int = Field(
        default=16_000,
        ge=1000,
        description="Rows that one worker holds at most, waiting or being computed; "
        "more are refused with 503.",
    )
    queue_ms: int = Field(
        default=1000,
        ge=1,
        description="Milliseconds of work that may be in flight per use case, as measured; "
        "more is refused with 503.",
    )
    batch_rows: int = Field(
        default=512,
        ge=1,
        description="Rows that one model call takes at most.",
    )
    batch_ms: float = Field(
        default=5.0,
        gt=0,
        description="Milliseconds that one model call should take at most; "
        "a slow model gets fewer rows a call, so that short requests need not wait.",
    )
    deadline_ms: int = Field(
        default=30_000,
        ge=1,
        description="Milliseconds until an unanswered request gets 504; "
        "`X-Deadline-Ms` may shorten it.",
    )
    body_bytes: int = Field(
        default=4 * 1024 * 1024,
        ge=1024,
        description="Bytes that a request body may have; more is 413.",
    )
    body_seconds: float = Field(
        default=30.0,
        gt=0,
        description="Seconds from the first byte of a request to the end of its body; more is 408.",
    )
    header_seconds: float = Field(
        default=10.0,
        gt=0,
        description="Seconds that a request header may take to come; more is 408.",
    )
    write_seconds: float = Field(
        default=30.0,
        gt=0,
        description="Seconds that a client may leave an answer unread; "
        "then it is disconnected.",
    )
    idle_seconds: int = Field(
        default=5,
        ge=1,
        le=3600,
        description="Seconds that a connection may be idle between two requests. Behind a "
        "proxy: more than the proxy keeps one, so that no request meets a closing door.",
    )
    header_bytes: int = Field(
        default=32 * 1024,
        ge=1024,
        description="Bytes that a request line and header may have; more is 431.",
    )
    header_count: int = Field(
        default=100, ge=10, description="Header lines of a request; more is 431."
    )
    connections: int | None = Field(
        default=None,
        ge=1,
        description="Open connections per worker; for one more, one that sent nothing "
        "or is idle is closed. Empty: the limit of open files less 128, at most 10,000.",
    )
    promote_lead_ms: int = Field(
        default=10_000,
        ge=300,
        description="Milliseconds from a promotion to its effect, in which every server "
        "loads the version, so that all change together.",
    )
    probe_seconds: float = Field(
        default=30.0,
        gt=0,
        description="Seconds that a server gives a new version to load in a process "
        "of its own.",
    )
    probe_megabytes: int = Field(
        default=6144,
        ge=512,
        description="Address space in MiB that a version may take to load there.",
    )
    watch_seconds: float = Field(
        default=3600.0,
        ge=0,
        description="Seconds after a promotion in which a server watches the new version "
        "and goes back by itself. 0: never watch.",
    )
    watch_error_share: float = Field(
        default=0.01,
        gt=0,
        le=1,
        description="Share of requests that may fail with the new version though the one "
        "before answers them.",
    )
    watch_slowdown: float = Field(
        default=5.0,
        gt=1,
        description="How many times as long as with the version before a model call may "
        "take, where that is over 50 ms more.",
    )
    refresh_seconds: float = Field(
        default=60.0,
        ge=1,
        description="Seconds after which what is measured of logged predictions is "
        "measured anew: live quality in the metrics and in `performance`.",
    )
    live_days: float = Field(
        default=30.0,
        gt=0,
        description="Days of logged predictions that live quality is measured on.",
    )
    maturity_seconds: float | None = Field(
        default=None,
        ge=0,
        description="Seconds that a prediction has to be old before its feedback counts "
        "for live quality. Empty: what nine of ten labels take to come, as measured.",
    )
    drift_seconds: float = Field(
        default=3600.0,
        ge=0,
        description="Seconds from one computation of drift for the metrics to the next, "
        "in a process of its own at the lowest priority. 0: never.",
    )
    container_engine: Literal["docker", "podman", "buildah"] | None = Field(
        default=None,
        description="What builds and runs images: `docker`, `podman` or `buildah`. "
        "Empty: the first of them that works.",
    )
    run_dir: Path | None = Field(
        default=None,
        description="Where a server and `ekiben drain` find each other, and where the "
        "workers share their metrics. Empty: `ekiben-UID` in the directory for "
        "temporary files.",
    )
    drain_seconds: float = Field(
        default=5.0,
        ge=0,
        le=15,
        description="Seconds that a server which is to stop goes on serving while "
        "`/readyz` is red, so that balancers take it out.",
    )
    hang_seconds: float = Field(
        default=15.0,
        ge=5,
        le=300,
        description="Seconds after which a worker whose event loop stands still is "
        "replaced, and a model call that uses no processor time counts as hung.",
    )
    log: Literal["fail-open", "fail-closed", "off"] = Field(
        default="fail-open",
        description="The prediction log: `fail-open` answers whatever becomes of the log "
        "and counts what it misses, `fail-closed` sends an answer only when it is in the "
        "log to stay and refuses with 503 otherwise, `off` keeps nothing.",
    )
    log_share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of requests whose rows are logged; fail-closed logs all.",
    )
    log_personal: Literal["keep", "hash", "drop"] = Field(
        default="keep",
        description="What the log keeps of row fields that are marked personal, such as "
        "the text of a message: the value, its hash made with the pepper, or nothing. "
        "Drift, replay and retraining of text need the value.",
    )
    log_days: int = Field(
        default=90,
        ge=1,
        description="Days that `ekiben prune` leaves predictions in the log.",
    )
    log_flush_ms: int = Field(
        default=200,
        ge=10,
        le=10_000,
        description="Milliseconds after which a logged row is written at the latest: "
        "what a worker that is killed may lose. fail-closed writes at once.",
    )
    log_queue_rows: int = Field(
        default=20_000,
        ge=1000,
        description="Rows per worker that wait while the log cannot be written; "
        "for more, see `EKIBEN_LOG`.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log line that is written."
    )
    access_log: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of requests that get a log line of their own: "
        "0 none, 0.01 every hundredth, 1 all.",
    )

    @field_validator("models", "jwt_algorithms", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("rate_limit")
    @classmethod
    def _is_a_rate(cls, value: str | None) -> str | None:
        if value is not None and not RATE.fullmatch(value):
            raise PydanticCustomError("rate", "write 50/second or 600/minute")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str | None) -> str | None:
        if value is not None and not DATABASE_URL.match(value):
            raise ValueError("neither sqlite:////FILE nor postgresql://HOST/DATABASE")
        return value

    @model_validator(mode="after")
    def _closed_logs_all(self) -> "Settings":
        if self.log == "fail-closed" and self.log_share < 1:
            raise PydanticCustomError(
                "share", "fail-closed logs all: no EKIBEN_LOG_SHARE"
            )
        return self

    @property
    def promote_lead(self) -> timedelta:
        """From a promotion to its effect."""
        return timedelta(milliseconds=self.promote_lead_ms)

    @property
    def maturity(self) -> timedelta | None:
        """How old a prediction has to be before its feedback counts; None: measure it."""
        seconds = self.maturity_seconds
        return None if seconds is None else timedelta(seconds=seconds)

    @property
    def ledger_file(self) -> Path:
        """Where the ledger is when no database is named."""
        return self.home.absolute() / "ekiben" / "ledger.db"

    @property
    def ledger_url(self) -> str:
        """Where the ledger is, as a URL."""
        return self.database_url or f"sqlite:///{self.ledger_file}"

    @property
    def measures_drift(self) -> bool:
        """Whether there is something to measure it on, and somebody wants to know."""
        return self.drift_seconds > 0 and self.log != "off"

    @property
    def log_url(self) -> str:
        """Where the prediction log is: the ledger's PostgreSQL, or a file beside its file.

        A file of its own, so that a full log leaves the ledger writable.
        """
        kind, _, file = self.ledger_url.partition(":///")
        if kind != "sqlite":
            return self.ledger_url
        return f"sqlite:///{Path(file).with_name('predictions.db')}"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings from *environ*; an empty value counts as not set.

        Raises:
            InvalidSettings: a name is unknown or a value does not fit; one line.
        """
        given: dict[str, object] = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environ.items()
            if name.startswith(PREFIX) and value and not SERVICE_LINK.match(name)
        }
        if environ.get("BENTOML_HOME"):
            given["home"] = environ["BENTOML_HOME"]
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise InvalidSettings(_one_line(error)) from None


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    # What is wrong between two settings names them itself.
    name = "_".join(str(part) for part in first["loc"][:1]).upper() or "LOG"
    if first["type"] == "extra_forbidden":
        return f"{PREFIX}{name}: no such setting"
    return f"{PREFIX}{name}: {first['msg']}"
