"""Asks replicas for their golden predictions, over HTTP and through the balancer."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ekiben.errors import EkibenError, ReplicaFailed
from ekiben.packaging.balancer import Answer
from ekiben.predictor import same
from ekiben.registry.store import Store
from ekiben.schemas.model_card import Golden
from ekiben.use_cases.rounding import rounded

STAMPED = ("prediction_id", "model")
"""What a server adds to a prediction."""

PASSING = frozenset([0, 401, 429, 502, 503, 504])
"""Refusals that say nothing of the model: a busy server, a key that is not read yet."""

Ask = Callable[[str, bytes | None, Mapping[str, str]], Answer]
"""Path, body, headers to answer."""


@dataclass(frozen=True)
class GoldenCheck:
    """What replicas have to answer: the golden predictions of the versions in *store*.

    *expected* is use case to the tag that should answer; after a local rollback, or where
    servers follow the ledger, another version that is in the store may.
    """

    store: Store
    expected: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)
    decimals: int | None = None
    """What the replicas round probabilities to, None: they do not."""
    patience: float = 10.0
    """Seconds in which a refusal may pass."""

    def run(self, ask: Ask) -> dict[str, str]:
        """Return use case to the tag that answered, all golden predictions being right.

        Raises:
            ReplicaFailed: an answer is wrong, or there was none.
        """
        return {name: self._answering(name, ask) for name in self.expected}

    def _answering(self, use_case: str, ask: Ask) -> str:
        """Ask what should answer; where another does, ask again with what that one knows."""
        tag = self.expected[use_case]
        for _ in range(2):
            found = self._ask(use_case, self._golden(tag), ask)
            answered = {str(one.get("model")) for one in found}
            if answered == {tag}:
                self._compare(tag, found)
                return tag
            if len(answered) != 1:
                break
            (tag,) = answered
        told = ", ".join(sorted(answered))
        raise ReplicaFailed(f"{use_case} is answered by {told}, not by {tag}")

    def _golden(self, tag: str) -> list[Golden]:
        try:
            return self.store.manifest(tag).golden
        except EkibenError as error:
            raise ReplicaFailed(f"nobody knows what to expect: {error}") from None

    def _ask(
        self, use_case: str, golden: list[Golden], ask: Ask
    ) -> list[dict[str, Any]]:
        body = json.dumps({"rows": [one.row for one in golden]}).encode()
        until = time.monotonic() + self.patience
        answer = ask(f"/v1/{use_case}/predict", body, self.headers)
        while answer.status in PASSING and time.monotonic() < until:
            time.sleep(0.3)
            answer = ask(f"/v1/{use_case}/predict", body, self.headers)
        if answer.status != 200:
            raise ReplicaFailed(
                f"{use_case} answered its golden rows with {_status(answer)}"
            )
        found: list[dict[str, Any]] = json.loads(answer.body)
        return found

    def _compare(self, tag: str, found: list[dict[str, Any]]) -> None:
        golden = self._golden(tag)
        if len(golden) != len(found):
            raise ReplicaFailed(f"{tag} answered {len(found)} of {len(golden)} rows")
        for number, (one, answer) in enumerate(zip(golden, found, strict=True)):
            told = {key: answer[key] for key in answer if key not in STAMPED}
            if not same(rounded(one.prediction, self.decimals), told):
                raise ReplicaFailed(f"{tag} answers golden row {number} wrong")


def why_not_ready(answer: Answer) -> str | None:
    """Return None for the 200 of /readyz, else what it says."""
    return None if answer.status == 200 else _status(answer)


def _status(answer: Answer) -> str:
    if answer.status == 0:
        return "no answer"
    try:
        problem = json.loads(answer.body)
        return f"{answer.status} {problem['code']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return str(answer.status)
