"""The catalogue: every use case, in the order in which they are shown.

Use cases import scikit-learn and LightGBM where they build: that takes seconds, which
the supervisor and most commands need not wait for.
"""

from ekiben.errors import UnknownUseCase
from ekiben.use_cases.fraud import FRAUD
from ekiben.use_cases.iris import IRIS
from ekiben.use_cases.spam import SPAM
from ekiben.use_cases.topics import TOPICS
from ekiben.use_cases.turnover import TURNOVER
from ekiben.use_cases.use_case import UseCase

USE_CASES = (IRIS, TURNOVER, FRAUD, SPAM, TOPICS)


def get_use_case(name: str) -> UseCase:
    """Return the use case called *name*.

    Raises:
        UnknownUseCase: there is none.
    """
    for use_case in USE_CASES:
        if use_case.name == name:
            return use_case
    raise UnknownUseCase(name, [use_case.name for use_case in USE_CASES])
