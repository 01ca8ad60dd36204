"""A plain BentoML service with a synchronous endpoint: what C-25 is measured against."""

import time

import bentoml


@bentoml.service(name="plain", workers=1, traffic={"timeout": 1})
class Plain:
    """Sleeps."""

    @bentoml.api
    def sleep(self, seconds: float) -> float:
        """Hold a thread for *seconds*."""
        time.sleep(seconds)
        return seconds
