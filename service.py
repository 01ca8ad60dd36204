"""The BentoML service: one typed endpoint per use case."""

import bentoml

from ekiben.schemas.base import MAX_ROWS, Rows
from ekiben.schemas.fraud import FraudPrediction, Transaction
from ekiben.schemas.iris import IrisFlower, IrisPrediction
from ekiben.schemas.spam import Message, SpamPrediction
from ekiben.schemas.topics import Project, TopicPrediction
from ekiben.schemas.turnover import Employee, TurnoverPrediction
from ekiben.serving.bento_service import Answers, EkibenService, Endpoints
from ekiben.serving.plan import Plan
from ekiben.use_cases.catalog import USE_CASES


@bentoml.service(
    name="ekiben",
    service_class=EkibenService,
    workers=1,
    # Our own deadline comes first; this one only ends what hangs inside BentoML.
    traffic={"timeout": 120},
    logging={"access": {"enabled": False}},
    # Without an exporter a span per request is made for nobody.
    tracing={"excluded_urls": ".*"},
)
class Ekiben(Endpoints):
    """Five models behind typed endpoints; what each answers is in /docs."""

    plan = Plan.of_process(__file__, USE_CASES, vars(bentoml.use_arguments()))

    @bentoml.api(batchable=True, route="/v1/iris/predict", max_batch_size=MAX_ROWS)
    async def predict_iris(self, rows: Rows[IrisFlower]) -> Answers[IrisPrediction]:
        """Name the species of each flower."""
        return await self.answer("iris", rows)

    @bentoml.api(batchable=True, route="/v1/turnover/predict", max_batch_size=MAX_ROWS)
    async def predict_turnover(
        self, rows: Rows[Employee]
    ) -> Answers[TurnoverPrediction]:
        """Tell which employees leave."""
        return await self.answer("turnover", rows)

    @bentoml.api(batchable=True, route="/v1/fraud/predict", max_batch_size=MAX_ROWS)
    async def predict_fraud(self, rows: Rows[Transaction]) -> Answers[FraudPrediction]:
        """Tell which card transactions are fraudulent."""
        return await self.answer("fraud", rows)

    @bentoml.api(batchable=True, route="/v1/spam/predict", max_batch_size=MAX_ROWS)
    async def predict_spam(self, rows: Rows[Message]) -> Answers[SpamPrediction]:
        """Tell which messages are spam."""
        return await self.answer("spam", rows)

    @bentoml.api(batchable=True, route="/v1/topics/predict", max_batch_size=MAX_ROWS)
    async def predict_topics(self, rows: Rows[Project]) -> Answers[TopicPrediction]:
        """Name the topic of each project."""
        return await self.answer("topics", rows)
