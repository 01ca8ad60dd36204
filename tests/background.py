"""What goes on beside a test, in threads of its own, for the length of a `with` block."""

import threading
from abc import ABC, abstractmethod
from typing import Self


class Background(ABC):
    """Calls `run` in *threads* threads, which is to return soon after `ending` is set."""

    threads = 1

    def __enter__(self) -> Self:
        self.ending = threading.Event()
        self._running = [threading.Thread(target=self.run) for _ in range(self.threads)]
        for thread in self._running:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.ending.set()
        for thread in self._running:
            thread.join()

    @abstractmethod
    def run(self) -> None:
        """Do what is to be done beside the test."""
