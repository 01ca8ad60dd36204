import pytest

from ekiben.serving.arrow_media import is_arrow, wants_arrow

ARROW = "application/vnd.apache.arrow.stream"


@pytest.mark.parametrize(
    ("given", "arrow"),
    [
        (ARROW, True),
        (ARROW.upper() + " ", True),
        ("application/json", False),
        ("application/vnd.apache.arrow.file", False),
        (f"{ARROW}; version=1", False),
        ("", False),
    ],
)
def test_a_body_is_arrow_by_its_name(given: str, arrow: bool) -> None:
    assert is_arrow({b"content-type": given.encode()}) is arrow


@pytest.mark.parametrize(
    ("accept", "after_json", "after_arrow"),
    [
        pytest.param(None, False, True, id="none"),
        pytest.param("*/*", False, True, id="anything"),
        pytest.param("application/*", False, True, id="any-application"),
        pytest.param("text/html", False, True, id="neither"),
        pytest.param(ARROW, True, True, id="arrow"),
        pytest.param(ARROW.upper(), True, True, id="arrow-in-capitals"),
        pytest.param("application/json", False, False, id="json"),
        pytest.param(f"application/json, {ARROW}", False, True, id="both"),
        pytest.param(f"application/json;q=0.5, {ARROW}", True, True, id="arrow-first"),
        pytest.param(f"{ARROW};q=0.2,*/*", False, False, id="anything-else-first"),
        pytest.param(f"{ARROW};q=0", False, True, id="nothing-that-there-is"),
        pytest.param(f"{ARROW};q=much, */*;q=0.1", False, False, id="no-number"),
        pytest.param(f"text/html, {ARROW} ; q=0.3", True, True, id="spaces"),
    ],
)
def test_accept_chooses_and_else_the_form_of_the_request_stays(
    accept: str | None, after_json: bool, after_arrow: bool
) -> None:
    headers = {} if accept is None else {b"accept": accept.encode()}

    assert wants_arrow(headers, asked_in_arrow=False) is after_json
    assert wants_arrow(headers, asked_in_arrow=True) is after_arrow
