"""Who is next: callers take turns by rows, and so do a caller's short and long requests."""

from collections import deque
from dataclasses import dataclass, field

from ekiben.serving.jobs import Job, Piece

SHORT_ROWS = 64
"""A request of so many rows goes whole; a longer one goes in pieces, so that short ones
need not wait for all of it."""


@dataclass(slots=True)
class _Line:
    """The jobs of one caller. *lead* is by how many rows its short ones are ahead of the long."""

    caller: str
    short: deque[Job] = field(default_factory=deque)
    long: deque[Job] = field(default_factory=deque)
    rows: int = 0
    credit: int = 0
    lead: int = 0

    def next(self) -> deque[Job]:
        """Return which of its two queues is next; one of them has a job."""
        if not self.long:
            return self.short
        return self.short if self.short and self.lead <= 0 else self.long


class FairQueue:
    """Jobs by caller, handed out by deficit round robin over rows.

    With one caller and no long request it is a plain first-in, first-out queue.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._lines: dict[str, _Line] = {}
        self._turns: deque[_Line] = deque()

    def __bool__(self) -> bool:
        """Whether any job waits."""
        return bool(self._turns)

    @property
    def callers(self) -> int:
        """How many callers have rows waiting."""
        return len(self._turns)

    def rows_of(self, caller: str) -> int:
        """Return the waiting rows of *caller*."""
        line = self._lines.get(caller)
        return line.rows if line else 0

    def push(self, job: Job) -> None:
        """Put *job* at the end of its caller's line."""
        line = self._lines.get(job.caller)
        if line is None:
            line = self._lines[job.caller] = _Line(job.caller)
            self._turns.append(line)
        size = len(job.rows)
        (line.short if size <= SHORT_ROWS else line.long).append(job)
        line.rows += size
        self.rows += size

    def take(self, room: int) -> list[Piece]:
        """Take at most *room* rows off the queue; more only if the next request is short.

        A job that is done already, because it expired, is passed over.
        """
        if len(self._turns) == 1 and self.rows <= room and not self._turns[0].long:
            return self._take_all()
        pieces: list[Piece] = []
        turns = self._turns
        while turns and room > 0:
            line = turns[0]
            queue = line.next()
            job = queue[0]
            if job.future.done():
                self._pass(line, queue, job.left)
                continue
            size = self._size(line, job, room)
            if size > room and pieces:
                break
            if len(turns) > 1 and size > line.credit:
                line.credit += SHORT_ROWS
                turns.rotate(-1)
                continue
            pieces.append(Piece(job, job.taken, job.taken + size))
            job.taken += size
            room -= size
            line.credit -= size
            if line.long and line.short:
                line.lead += size if queue is line.short else -size
            self._pass(line, queue, size, whole=not job.left)
        return pieces

    def _take_all(self) -> list[Piece]:
        """Take the short jobs of the only caller: the usual case, made cheap."""
        jobs = self._turns.popleft().short
        self._lines.clear()
        self.rows = 0
        for job in jobs:
            job.taken = len(job.rows)
        return [Piece(one, 0, one.taken) for one in jobs if not one.future.done()]

    def _size(self, line: _Line, job: Job, room: int) -> int:
        """Return how many rows of *job* go next."""
        if len(job.rows) <= SHORT_ROWS:
            return len(job.rows)
        shared = line.short or len(self._turns) > 1
        return min(job.left, room, SHORT_ROWS if shared else room)

    def _pass(
        self, line: _Line, queue: deque[Job], rows: int, whole: bool = True
    ) -> None:
        """Count *rows* out of *line*; its job leaves with them if *whole*."""
        line.rows -= rows
        self.rows -= rows
        if whole:
            queue.popleft()
        if not (line.short and line.long):
            line.lead = 0
        if len(self._turns) == 1:
            line.credit = 0
        if not (line.short or line.long):
            self._turns.popleft()
            del self._lines[line.caller]
