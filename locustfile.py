"""Traffic profiles, one user class per endpoint; any wrong answer fails the run.

    locust --headless --host http://127.0.0.1:3000 --html var/load.html
    locust --headless --host http://127.0.0.1:3000 IrisUser SpamUser

Users, spawn rate and length come from locust.conf. A user sends rows like the examples
of the schema: fractions moved by up to 10 %, words in another order.
"""

import random
from typing import Any, ClassVar

from locust import FastHttpUser, between, events, task

from benchmarks.answers import fault
from benchmarks.payloads import varied
from ekiben.schemas.base import Row
from ekiben.schemas.fraud import Transaction
from ekiben.schemas.iris import IrisFlower
from ekiben.schemas.spam import Message
from ekiben.schemas.topics import Project
from ekiben.schemas.turnover import Employee

rng = random.Random(7)
TIMEOUT = 10.0
"""Seconds until a user gives up."""


class PredictUser(FastHttpUser):
    """A client of one predict endpoint, which mostly asks for a single row."""

    abstract = True
    wait_time = between(0.05, 0.5)
    connection_timeout = TIMEOUT
    network_timeout = TIMEOUT
    use_case: ClassVar[str]
    row: ClassVar[type[Row]]

    def on_start(self) -> None:
        """Read the examples that this user's rows are like."""
        self.examples = self.row.model_json_schema()["examples"]

    @task(20)
    def one_row(self) -> None:
        """Ask while somebody waits at a screen."""
        self.predict(1)

    @task(4)
    def ten_rows(self) -> None:
        """Ask for a page of a list."""
        self.predict(10)

    @task(1)
    def hundred_rows(self) -> None:
        """Ask for a small import."""
        self.predict(100)

    def predict(self, count: int) -> None:
        """Post *count* rows and look at every answer."""
        rows = varied(self.examples, count, rng)
        with self.client.post(
            f"/v1/{self.use_case}/predict",
            json={"rows": rows},
            name=f"{self.use_case}, rows: {count}",
            catch_response=True,
        ) as response:
            found = fault(self.use_case, count, response.status_code, response.text)
            if found:
                response.failure(found)


class IrisUser(PredictUser):
    """A client that has flowers named."""

    use_case = "iris"
    row = IrisFlower


class TurnoverUser(PredictUser):
    """A client that asks which employees leave."""

    use_case = "turnover"
    row = Employee


class FraudUser(PredictUser):
    """A client that has card transactions checked."""

    use_case = "fraud"
    row = Transaction


class SpamUser(PredictUser):
    """A client that has messages checked."""

    use_case = "spam"
    row = Message


class TopicsUser(PredictUser):
    """A client that has projects sorted by topic."""

    use_case = "topics"
    row = Project


@events.quitting.add_listener
def fail_on_errors(environment: Any, **_: Any) -> None:
    """End with 1 when a request failed, and also when none was made."""
    total = environment.stats.total
    if total.num_failures or not total.num_requests:
        environment.process_exit_code = 1
