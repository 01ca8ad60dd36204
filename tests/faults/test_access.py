"""C-35 to C-39: who is let in, by a real server of two workers that asks for keys."""

import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import httpx
import pytest

from ekiben.access.caller import SCOPES
from ekiben.access.database import KeyDatabase
from ekiben.access.keys import Pepper, mint
from ekiben.access.pepper import pepper_of
from ekiben.settings import Settings
from tests.access import BAD, TERMS, Issuer, made
from tests.criteria_plugin import Figure
from tests.feedback import UNKNOWN
from tests.servers import PROJECT, START_SECONDS, Server, environment, serve

pytestmark = pytest.mark.server

WORKERS = 2
FLOWER = {
    "sepal_length": 5.1,
    "sepal_width": 3.5,
    "petal_length": 1.4,
    "petal_width": 0.2,
}
BODY = json.dumps({"rows": [FLOWER]}).encode()
PAGE = (PROJECT / "docs" / "security.md").read_text()
TABLE = re.findall(r"^\| `(GET|POST) (/\S*)` \| (.+) \|$", PAGE, re.M)


def body_for(path: str) -> bytes:
    """Return a body that the route of *path* takes."""
    if not path.endswith("/feedback"):
        return BODY
    item = {"prediction_id": UNKNOWN, "label": "setosa"}
    return json.dumps({"items": [item]}).encode()


@dataclass(frozen=True)
class Guarded:
    """A server that asks for keys, and what opens it."""

    server: Server
    home: Path
    secrets: Mapping[str, str]
    """By scope, and by what is wrong with them."""
    issuer: Issuer
    client: httpx.Client

    def ask(
        self, method: str, path: str, credential: str | None = None
    ) -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        if credential is not None:
            headers["Authorization"] = f"Bearer {credential}"
        content = body_for(path) if method == "POST" else b""
        return self.client.request(method, path, headers=headers, content=content)

    def predict(self, credential: str | None, use_case: str = "iris") -> httpx.Response:
        return self.ask("POST", f"/v1/{use_case}/predict", credential)


def home_of(home: Path, path: Path) -> Path:
    """Make a home of the same models and ledger: two servers on one share their metrics."""
    (path / "models").symlink_to(home / "models")
    (path / "ekiben").symlink_to(home / "ekiben")
    return path


def keys_in(home: Path) -> dict[str, str]:
    """Keep a live key per scope, and one of each kind that opens nothing."""
    settings, now = Settings(home=home), datetime.now(UTC)
    pepper, old = pepper_of(settings), now - timedelta(days=2)
    kinds = {scope: made(scope, now=now, pepper=pepper) for scope in SCOPES}
    kinds["iris only"] = made(
        "predict", "feedback", "read", now=now, pepper=pepper, use_cases=("iris",)
    )
    kinds["expired"] = made("predict", now=old, pepper=pepper)
    kinds["revoked"] = made("predict", now=now, pepper=pepper, revoked=now)
    foreign = Pepper(b"the pepper of another environment")
    other, secret = made("predict", now=now, pepper=foreign)
    kinds["other environment"] = (replace(other, pepper=pepper.mark), secret)
    with KeyDatabase.opened(settings.ledger_url) as database:
        for key, _ in kinds.values():
            database.add(key)
    return {
        **{name: secret for name, (_, secret) in kinds.items()},
        "unknown": mint()[1],
        "malformed": kinds["predict"][1][:-1],
    }


@pytest.fixture(scope="module")
def guarded(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    path = home_of(home, tmp_path_factory.mktemp("guarded"))
    issuer, keys = Issuer(), path / "issuer.json"
    keys.write_text(issuer.key_set())
    extra = {
        "EKIBEN_AUTH": "required",
        "EKIBEN_MODELS": "iris,spam",
        "EKIBEN_LOG_LEVEL": "debug",
        "EKIBEN_JWT_JWKS": str(keys),
        "EKIBEN_JWT_ISSUER": TERMS.issuer,
        "EKIBEN_JWT_AUDIENCE": TERMS.audience,
        "BENTOML_CONFIG_OPTIONS": f"services.ekiben.workers={WORKERS}",
    }
    secrets = keys_in(path)
    with serve(path, extra=extra) as running, running.client() as client:
        yield Guarded(running, path, secrets, issuer, client)


ATTEMPTS = 5
"""A busy machine moves a median once; a keyring that gives something away does it each time."""

REFUSED = (
    *("none", "malformed", "unknown", "expired", "revoked"),
    *("other environment", "in the query"),
)


def one_of(kind: str, secrets: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return path and headers of a request that is to be refused as *kind*."""
    headers = {"Content-Type": "application/json"}
    if kind == "none":
        return "/v1/iris/predict", headers
    if kind == "in the query":
        return f"/v1/iris/predict?api_key={secrets['predict']}", headers
    return "/v1/iris/predict", headers | {"Authorization": f"Bearer {secrets[kind]}"}


def spread(server: Server, secrets: Mapping[str, str], calls: int) -> float:
    """Return how far the medians of the kinds of refusal lie apart, in milliseconds.

    The kinds take turns on one connection, so that what disturbs one disturbs all.
    """
    took: dict[str, list[float]] = {kind: [] for kind in REFUSED}
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    asked = {kind: one_of(kind, secrets) for kind in REFUSED}
    for number in range(calls + len(REFUSED)):
        kind = REFUSED[number % len(REFUSED)]
        path, headers = asked[kind]
        start = time.perf_counter()
        connection.request("POST", path, BODY, headers)
        answer = connection.getresponse()
        answer.read()
        took[kind].append(time.perf_counter() - start)
        assert answer.status == 401
    connection.close()
    medians = [median(times[1:]) * 1e3 for times in took.values()]
    return max(medians) - min(medians)


def test_c35_all_refusals_are_one_401(guarded: Guarded) -> None:
    answers = []
    for kind in REFUSED:
        path, headers = one_of(kind, guarded.secrets)
        with guarded.server.client() as client:
            answers.append(client.post(path, headers=headers, content=BODY))

    assert {one.status_code for one in answers} == {401}
    assert {one.headers["WWW-Authenticate"] for one in answers} == {"Bearer"}
    assert len({tuple(sorted(one.headers)) for one in answers}) == 1
    bodies = [{**one.json(), "request_id": ""} for one in answers]
    assert all(one == bodies[0] for one in bodies)
    assert bodies[0]["code"] == "unauthenticated"


def test_c35_a_key_in_the_query_is_refused_beside_a_good_one_in_the_header(
    guarded: Guarded,
) -> None:
    good = guarded.secrets["predict"]

    assert guarded.predict(good).status_code == 200
    for query in (f"?x={good}", "?access_token=a", "?a=b&token=c", "?API_KEY=x"):
        answer = guarded.ask("POST", f"/v1/iris/predict{query}", good)
        assert answer.status_code == 401, query


@pytest.mark.alone
@pytest.mark.parametrize("calls", [2_000, pytest.param(14_000, marks=pytest.mark.slow)])
def test_c35_all_refusals_take_as_long(
    guarded: Guarded, calls: int, figure: Figure
) -> None:
    found = [spread(guarded.server, guarded.secrets, calls)]
    while min(found) >= 1 and len(found) < ATTEMPTS:
        found.append(spread(guarded.server, guarded.secrets, calls))

    figure("medians of refusals apart, ms", min(found))
    assert min(found) < 1


@pytest.fixture(scope="module")
def leaky(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose keyring works longer for ids it knows; docs and metrics are open."""
    path = home_of(home, tmp_path_factory.mktemp("leaky"))
    extra = {
        "EKIBEN_AUTH": "required",
        "EKIBEN_MODELS": "iris",
        "EKIBEN_OPEN_DOCS": "true",
        "EKIBEN_OPEN_METRICS": "true",
    }
    target = "tests.faults.leaky_service:Ekiben"
    with serve(path, target=target, extra=extra) as running:
        yield running


def test_c35_a_keyring_that_works_longer_for_known_ids_is_noticed(
    leaky: Server, guarded: Guarded
) -> None:
    found = [spread(leaky, guarded.secrets, 350) for _ in range(ATTEMPTS)]

    assert min(found) > 1


def test_c35_without_authentication_every_credential_opens(
    server: Server, guarded: Guarded
) -> None:
    for kind in REFUSED:
        path, headers = one_of(kind, guarded.secrets)
        with server.client() as client:
            answer = client.post(path, headers=headers, content=BODY)
        assert answer.status_code == 200


def test_c35_no_secret_is_in_the_log(guarded: Guarded) -> None:
    token = guarded.issuer.token(time.time())
    for credential in (*guarded.secrets.values(), token):
        guarded.predict(credential)
        guarded.ask("GET", f"/v1/models?key={credential}", credential)
        guarded.ask("GET", f"/nowhere/{credential}", credential)

    printed = guarded.server.output.read_text()
    assert "version loaded" in printed
    for credential in (*guarded.secrets.values(), token):
        assert credential[-40:] not in printed


def routes_of(home: Path) -> set[str]:
    """Return the path of every route of the application, as it is written."""
    program = (
        "from service import Ekiben; from ekiben.serving.guard import BENTOML_PATHS;"
        "app = Ekiben.to_asgi();"
        "paths = [one.path for one in app._pages.routes];"
        "paths += [one.decode() for one in (*BENTOML_PATHS, *app._predict)];"
        "print('ROUTES', *paths)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env=environment(home, {"PYTHONPATH": str(PROJECT)}),
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = re.findall(r"^ROUTES (.+)$", done.stdout, re.M)
    predict = r"^/v1/[^/]+/predict$"
    return {re.sub(predict, "/v1/{use_case}/predict", one) for one in line.split()}


def test_c36_every_route_is_in_the_table_of_the_docs(guarded: Guarded) -> None:
    listed = {path for _, path, _ in TABLE}

    assert routes_of(guarded.home) == listed


EXAMPLES = {
    "{use_case}": "iris",
    "{name}": "verbose",
    "assets/verbose": "assets/redoc.css",
}


def address(path: str) -> str:
    """Return an address that the route of *path* answers."""
    for written, example in EXAMPLES.items():
        path = path.replace(written, example)
    return path


@pytest.mark.parametrize(
    ("method", "path", "cells"), TABLE, ids=[f"{m} {p}" for m, p, _ in TABLE]
)
def test_c36_every_scope_opens_what_the_table_says(
    guarded: Guarded, method: str, path: str, cells: str
) -> None:
    found = [guarded.ask(method, address(path)).status_code]
    for scope in SCOPES:
        answer = guarded.ask(method, address(path), guarded.secrets[scope])
        found.append(answer.status_code)

    expected = [one.strip() for one in cells.split("|")]
    told = ["yes" if status in (200, 202, 307) else str(status) for status in found]
    assert told == expected


def test_c36_a_door_that_does_not_look_at_scopes_is_noticed(
    server: Server, guarded: Guarded
) -> None:
    """Its teeth: where nothing is asked for, the table's refusals do not come."""
    refused = [row for row in TABLE if "40" in row[2]]
    assert len(refused) > 5
    for method, path, _ in refused:
        with server.client() as client:
            content = body_for(address(path)) if method == "POST" else b""
            headers = {"Content-Type": "application/json"}
            answer = client.request(
                method, address(path), headers=headers, content=content
            )
        assert answer.status_code in (200, 202)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/iris/predict", 200),
        ("POST", "/v1/spam/predict", 403),
        ("POST", "/v1/iris/feedback", 202),
        ("POST", "/v1/spam/feedback", 403),
        ("GET", "/v1/models/iris", 200),
        ("GET", "/v1/models/spam", 403),
        ("GET", "/v1/models/spam/params", 403),
        ("GET", "/v1/models", 200),
    ],
)
def test_c36_a_key_for_one_use_case_opens_no_other(
    guarded: Guarded, method: str, path: str, status: int
) -> None:
    answer = guarded.ask(method, path, guarded.secrets["iris only"])

    assert answer.status_code == status


@pytest.mark.parametrize("bad", BAD)
def test_c37_a_token_that_is_not_in_order_is_401(guarded: Guarded, bad: str) -> None:
    answer = guarded.predict(BAD[bad](guarded.issuer, time.time()))

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"


def test_c37_a_token_of_16_kilobytes_is_401(guarded: Guarded) -> None:
    token = guarded.issuer.token(time.time(), padding="x" * 12_000)

    assert len(token) > 16_000
    assert guarded.predict(token).status_code == 401


def test_c37_good_tokens_open_what_their_claims_say(guarded: Guarded) -> None:
    now = time.time()
    token = guarded.issuer.token(now, use_cases=["iris"])
    reader = guarded.issuer.token(now, scope="read")

    assert guarded.predict(token).status_code == 200
    assert guarded.predict(token, "spam").status_code == 403
    assert guarded.predict(reader).status_code == 403
    assert guarded.ask("GET", "/v1/models", reader).status_code == 200


def test_c37_no_token_of_all_these_raised(guarded: Guarded) -> None:
    for make in BAD.values():
        guarded.predict(make(guarded.issuer, time.time()))

    assert "Traceback" not in guarded.server.output.read_text()


BENTOML_ROUTES = (
    *("/docs.json", "/static_content/swagger-ui.css", "/gradio", "/ui", "/static"),
    *("/predict_iris", "/v1/iris", "/v1/iris/predict/submit", "/_admin", "/metrics/"),
)


@pytest.mark.parametrize("path", BENTOML_ROUTES)
def test_c39_what_is_no_route_is_404_for_everybody(guarded: Guarded, path: str) -> None:
    for credential in (None, guarded.secrets["read"], guarded.secrets["admin"]):
        assert guarded.ask("GET", path, credential).status_code == 404


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_c39_health_is_open_and_says_nothing_of_a_bad_key(
    guarded: Guarded, path: str
) -> None:
    for credential in (None, "nonsense", guarded.secrets["revoked"]):
        assert guarded.ask("GET", path, credential).status_code == 200


def test_docs_and_metrics_can_be_opened(leaky: Server) -> None:
    opened = ("/docs", "/redoc", "/openapi.json", "/schema.json", "/metrics")
    with leaky.client() as client:
        assert {client.get(one).status_code for one in opened} == {200}
        assert client.get("/v1/models").status_code == 401


CLIENT = """
import json, sys, bentoml
url, key, flower = sys.argv[1:]
with bentoml.SyncHTTPClient(url, token=key) as client:
    print(client.predict_iris(rows=[json.loads(flower)])[0]["species"])
"""


def test_bentomls_own_client_predicts_with_a_key(guarded: Guarded) -> None:
    arguments = (guarded.server.url, guarded.secrets["predict"], json.dumps(FLOWER))
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, *arguments],
        env=environment(guarded.home),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "setosa"


@pytest.mark.parametrize(
    ("host", "extra", "named"),
    [
        pytest.param("0.0.0.0", {"EKIBEN_AUTH": "off"}, "EKIBEN_AUTH", id="off"),
        pytest.param(
            "127.0.0.1",
            {
                "EKIBEN_AUTH": "required",
                "EKIBEN_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
            },
            "EKIBEN_KEY_PEPPER",
            id="no-pepper",
        ),
    ],
)
def test_c70_a_server_that_anybody_could_use_does_not_start(
    tmp_path: Path, host: str, extra: dict[str, str], named: str
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bentoml", "serve", "service:Ekiben"),
            *("--host", host, "--port", "1"),
        ],
        cwd=PROJECT,
        env=environment(tmp_path, {**extra, "EKIBEN_OFFLINE": "true"}),
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )

    said = [line for line in done.stderr.splitlines() if line.startswith("ekiben: ")]
    assert done.returncode != 0
    assert len(said) == 1
    assert named in said[0]
    assert "Traceback" not in done.stderr
