"""The exceptions of Ekiben: each names a condition and carries its facts; only the edge turns them into HTTP."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path


class EkibenError(Exception):
    """Anything that Ekiben refuses or cannot do, in one clear line."""


class InvalidSettings(EkibenError):
    """An EKIBEN_ setting has a value that cannot be used."""


class RunDirectoryUnusable(EkibenError):
    """A server cannot keep its run files where it is told to."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"EKIBEN_RUN_DIR: {path} cannot be used: {reason}")


class NoSuchServer(EkibenError):
    """No running server is meant, or more than one."""


class ProbeStopped(EkibenError):
    """A version's trial was ended from outside; that says nothing about the version."""

    def __init__(self) -> None:
        super().__init__("the trial of the version was stopped")


class UnknownUseCase(EkibenError):
    """The catalogue has no use case of that name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"no use case {name!r}; there are: {', '.join(known)}")
        self.name = name


class InvalidTable(EkibenError):
    """A training table was refused; nothing was trained or registered."""

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        shown = "; ".join(problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        super().__init__(f"{source}: {shown}{more}")
        self.source = source
        self.problems = tuple(problems)


class DownloadFailed(EkibenError):
    """A public data file could not be fetched or had the wrong checksum."""


class UnknownModel(EkibenError):
    """The store has no version with exactly that tag."""

    def __init__(self, tag: str) -> None:
        super().__init__(f"no model {tag!r} in the store")
        self.tag = tag


class VersionExists(EkibenError):
    """A version of that tag is in the store already; versions are immutable."""

    def __init__(self, tag: str) -> None:
        super().__init__(f"{tag} is registered already")
        self.tag = tag


class ArtefactRefused(EkibenError):
    """A stored version is not what was registered, or does not predict what it did then."""

    def __init__(self, tag: str, reason: str) -> None:
        super().__init__(f"{tag} refused: {reason}")
        self.tag = tag
        self.reason = reason


class AmbiguousVersion(EkibenError):
    """A prefix fits more than one version; nothing is guessed."""

    def __init__(self, prefix: str, tags: Sequence[str]) -> None:
        super().__init__(f"{prefix!r} may be any of: {', '.join(tags)}")
        self.prefix = prefix
        self.tags = tuple(tags)


class StoreUnavailable(EkibenError):
    """The model store cannot be read or written."""


class LedgerUnavailable(EkibenError):
    """The ledger cannot be reached, or stayed locked for too long; nothing was written
    unless it says that this is unknown."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the ledger is unavailable: {reason}")
        self.reason = reason


class LedgerTooNew(LedgerUnavailable):
    """The ledger's tables are of a later Ekiben; waiting does not help."""

    def __init__(self) -> None:
        super().__init__("a newer Ekiben made it")


class LogUnavailable(EkibenError):
    """The prediction log cannot be reached, or stayed locked for too long."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the prediction log is unavailable: {reason}")
        self.reason = reason


class ExportRefused(EkibenError):
    """Logged predictions are not written to that file."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file} {reason}")


class PageNotWritten(EkibenError):
    """A page that a command was to write could not be written."""

    def __init__(self, file: object, reason: str) -> None:
        super().__init__(f"{file} cannot be written: {reason}")


class InvalidDuration(EkibenError):
    """A moment is written in a way that cannot be read."""


class UnknownPrediction(EkibenError):
    """The prediction log does not hold a prediction of that id."""

    def __init__(self, prediction_id: str) -> None:
        super().__init__(f"no prediction {prediction_id} in the log")
        self.prediction_id = prediction_id


class NothingLogged(EkibenError):
    """The prediction log holds nothing of the window that was asked for."""

    def __init__(self, what: str, since: datetime) -> None:
        super().__init__(f"no prediction of {what} in the log since {_minute(since)}")


class ReplayDiffers(EkibenError):
    """A logged prediction is not answered as it was, or cannot be answered again."""


class TooFewLabels(EkibenError):
    """The log holds too few labelled rows that the original table does not have."""

    def __init__(self, use_case: str, found: int, needed: int, told: str) -> None:
        super().__init__(
            f"{use_case}: {found} labelled rows that are new, {needed} are needed ({told})"
        )
        self.found = found
        self.needed = needed


class NothingToCompareWith(EkibenError):
    """The use case has no production version that a retrained one could be held against."""

    def __init__(self, use_case: str) -> None:
        super().__init__(
            f"{use_case} has no production version; `ekiben train {use_case} --promote` "
            "makes the first"
        )


class NoProduction(EkibenError):
    """No version of the use case answers, so nothing can be said of what it is asked."""

    def __init__(self, use_case: str) -> None:
        super().__init__(f"no version of {use_case} is production")
        self.use_case = use_case


class Drifted(EkibenError):
    """What production is asked is no longer what it was made for."""

    def __init__(self, use_case: str, words: str) -> None:
        super().__init__(f"{use_case}: {words}")
        self.use_case = use_case


class DriftUnknown(EkibenError):
    """Drift could not be computed beside the server; it may the next time."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"drift was not computed: {reason}")


class CorruptLedger(EkibenError):
    """An event of the ledger is not as it was written."""

    def __init__(self, sequence: int, reason: str) -> None:
        super().__init__(f"ledger event {sequence} {reason}")
        self.sequence = sequence
        self.reason = reason


class PromotionRefused(EkibenError):
    """The candidate failed at least one quality gate."""

    def __init__(
        self, tag: str, failed: Sequence[str], refusals: Sequence[str] = ()
    ) -> None:
        told = "; ".join(refusals) or ", ".join(failed)
        super().__init__(f"{tag} was not promoted; failed gates: {told}")
        self.tag = tag
        self.failed = tuple(failed)


class ReasonMissing(EkibenError):
    """A promotion that overrides gates has to say why."""

    def __init__(self) -> None:
        super().__init__("--force needs a --reason")


class Conflict(EkibenError):
    """Another moved the use case first; whoever is told has to look again and decide."""

    def __init__(self, use_case: str, sequence: int, actor: str) -> None:
        super().__init__(
            f"{use_case} was moved meanwhile by {actor}, ledger event {sequence}; "
            "nothing was changed"
        )
        self.use_case = use_case
        self.sequence = sequence


class AlreadyProduction(EkibenError):
    """The version answers already; there is nothing to move."""

    def __init__(self, tag: str) -> None:
        super().__init__(f"{tag} is production already")
        self.tag = tag


class NothingToRollBack(EkibenError):
    """No version was production before."""

    def __init__(self, use_case: str) -> None:
        super().__init__(f"{use_case} has no earlier production version")
        self.use_case = use_case


class NeverProduction(EkibenError):
    """A rollback goes to what was production once; anything else is promoted."""

    def __init__(self, tag: str) -> None:
        super().__init__(f"{tag} was never production; promote it instead")
        self.tag = tag


class RollbackRefused(EkibenError):
    """The version to go back to is gone or altered; none is skipped in silence."""

    def __init__(self, tag: str, reason: str) -> None:
        super().__init__(
            f"cannot roll back to {tag}: {reason}; --to names another version"
        )
        self.tag = tag
        self.reason = reason


class NotReady(EkibenError):
    """No verified version of the use case is loaded."""

    def __init__(self, use_case: str, reason: str) -> None:
        super().__init__(f"{use_case} has no model to answer with: {reason}")
        self.use_case = use_case


class Overloaded(EkibenError):
    """As much is in flight as may be; *retry_after* is when that should be answered, in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many rows are waiting")
        self.retry_after = retry_after


class DeadlineExceeded(EkibenError):
    """The request's deadline passed before an answer was ready, or surely will.

    *retry_after* is when what is in flight should be answered, in seconds, if known.
    """

    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__("the deadline passed before an answer was ready")
        self.retry_after = retry_after


class ClientGone(EkibenError):
    """The client closed its connection before its rows were answered."""


class BatchShapeMismatch(EkibenError):
    """A model answered with another number of rows than it was asked, or with numbers that are none."""


class BuildRefused(EkibenError):
    """A Bento cannot be built from what is there."""

    def __init__(self, reason: str, path: Path | None = None) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)


class UnknownBento(EkibenError):
    """The store has no such Bento, or more than one that fits."""

    def __init__(self, tag: str, reason: str) -> None:
        super().__init__(f"no Bento {tag!r}: {reason}")
        self.tag = tag


class NoContainerEngine(EkibenError):
    """No container engine can do what was asked."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no container engine: {reason}")


class ContainerFailed(EkibenError):
    """A container engine refused; *reason* is its own last words."""

    def __init__(self, engine: str, action: str, reason: str) -> None:
        super().__init__(f"{engine} {action} failed: {reason or 'no reason given'}")
        self.reason = reason


class DeployRefused(EkibenError):
    """What was asked for cannot be deployed; nothing was changed."""


class DeployBusy(EkibenError):
    """Another deploy of the same name is at work."""

    def __init__(self, name: str) -> None:
        super().__init__(f"another deploy of {name} is at work; nothing was changed")


class DeployFailed(EkibenError):
    """What was to be deployed does not run or answers wrong; says what became of it."""


class ReplicaFailed(EkibenError):
    """A replica ended, did not get ready, or answered its golden rows wrong."""


class InvalidRate(EkibenError):
    """A rate is not N/second or N/minute."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is no rate; write 50/second or 600/minute")


class PepperMissing(EkibenError):
    """There is no secret to make digests of keys with."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"API keys need a pepper: {reason}")


class PepperUnsafe(EkibenError):
    """The file of the pepper is not to be trusted."""


class UnknownKey(EkibenError):
    """There is no API key of that id."""

    def __init__(self, identity: str) -> None:
        super().__init__(f"no key {identity!r}; `ekiben keys list` shows the ids")


class KeyNotLive(EkibenError):
    """The key is revoked or has expired, and cannot be rotated."""

    def __init__(self, identity: str, state: str) -> None:
        super().__init__(f"key {identity} is {state}; create a new one")


class Unauthenticated(EkibenError):
    """The request brings no valid key or token; which of them is wrong is not said."""

    def __init__(self) -> None:
        super().__init__("no valid key or token")


class Forbidden(EkibenError):
    """The caller is known, and may not do this."""

    def __init__(self) -> None:
        super().__init__("not allowed with this key or token")


class RateLimited(EkibenError):
    """The caller sends more requests than it may."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many requests")
        self.retry_after = retry_after


class QuotaExceeded(EkibenError):
    """The caller has used up its rows of the day."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("the rows of the day are used up")
        self.retry_after = retry_after


class KeysUnread(EkibenError):
    """The API keys could not be read since the start, so nobody can be let in."""

    def __init__(self) -> None:
        super().__init__("the API keys are not read yet")


class ManifestsRefused(EkibenError):
    """Kubernetes manifests break rules that keep requests and clusters safe."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(f"the manifests are refused: {'; '.join(reasons)}")
        self.reasons = tuple(reasons)


class ClusterRefused(EkibenError):
    """There is no kubectl, no cluster that answers, or it did not do as it was asked."""


class RemoteStoreFailed(EkibenError):
    """A model store elsewhere cannot be read or written, or is not what it should be."""


class ArtefactDiffers(EkibenError):
    """Two stores have different artefacts under one tag; neither is overwritten."""

    def __init__(self, tag: str, where: str, there: str, here: str) -> None:
        super().__init__(f"{where} has another artefact as {tag}: {there}, not {here}")
        self.tag = tag


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
