"""POST /v1/{use_case}/predict with tables: the same answers as in JSON, on both paths."""

import math
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from ekiben.registry.store import Store
from ekiben.use_cases.catalog import USE_CASES
from ekiben.use_cases.use_case import UseCase
from tests.logbook import Logbook
from tests.models import Trainings
from tests.servers import Server
from tests.tables import ARROW, as_json, cast, of_rows, post, stream

pytestmark = pytest.mark.server
