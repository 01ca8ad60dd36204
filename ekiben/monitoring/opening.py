"""The prediction log for a server: opened when first needed, and again after it was away."""

import threading

from ekiben.monitoring.feedback_store import FeedbackStore


class LateStore:
    """Gives the log at *url*; called from any thread but the event loop's."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._store: FeedbackStore | None = None

    def __call__(self) -> FeedbackStore:
        """Return the opened log.

        Raises:
            LogUnavailable: it cannot be opened now.
        """
        with self._lock:
            if self._store is None:
                self._store = FeedbackStore.open(self._url)
            return self._store
