"""A bad table is refused with its file, and the row and column of every problem."""

from pathlib import Path

import pytest

from ekiben.datasets import Dataset, load
from ekiben.datasets.iris import IRIS
from ekiben.datasets.spam import SPAM
from ekiben.datasets.topics import TOPICS
from ekiben.datasets.turnover import TURNOVER
from ekiben.errors import InvalidTable

IRIS_HEAD = "sepal_length,sepal_width,petal_length,petal_width,species\n"
FLOWER = "5.1,3.5,1.4,0.2,setosa\n"
TURNOVER_HEAD = (
    "satisfaction_level,last_evaluation,number_project,average_montly_hours,"
    "time_spend_company,Work_accident,left,promotion_last_5years,sales,salary\n"
)


def refusal(dataset: Dataset, content: str | bytes, folder: Path) -> InvalidTable:
    path = folder / "table.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InvalidTable) as caught:
        load(dataset, path=path, cache=folder)
    return caught.value


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param("\n\n", "is empty", id="blank-lines-only"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0", "row 1 is not UTF-8", id="an-image"),
        pytest.param(b"PK\x03\x04\0\0", "row 1 is binary", id="a-zip-file"),
        pytest.param(
            IRIS_HEAD.encode() + b"5,5,5,5,s\xe9tosa\n",
            "row 2 is not UTF-8 text",
            id="latin-1",
        ),
        pytest.param(
            IRIS_HEAD.encode("utf-16"), "row 1 is not UTF-8 text", id="utf-16"
        ),
        pytest.param(
            IRIS_HEAD + FLOWER + "1,2,3\n",
            "row 3 has 3 field(s), not 5",
            id="short-row",
        ),
        pytest.param(
            IRIS_HEAD + FLOWER + "1,2,3,4,setosa,6\n",
            "row 3 has 6 field(s), not 5",
            id="long-row",
        ),
        pytest.param(IRIS_HEAD + FLOWER, "label setosa has 1 row(s)", id="one-row"),
    ],
)
def test_a_file_that_is_no_table_is_refused(
    content: str | bytes, told: str, tmp_path: Path
) -> None:
    message = str(refusal(IRIS, content, tmp_path))

    assert message.startswith("table.csv: ")
    assert told in message


@pytest.mark.parametrize(
    ("row", "told"),
    [
        pytest.param("x,1,1,1,setosa", "sepal_length: 'x' is not a number", id="text"),
        pytest.param("1,,1,1,setosa", "sepal_width: is missing", id="null"),
        pytest.param(
            "1,1,nan,1,setosa", "petal_length: 'nan' is not a number", id="nan"
        ),
        pytest.param(
            "1,1,1,inf,setosa", "petal_width: 'inf' is not in (0, 30]", id="infinity"
        ),
        pytest.param("0,1,1,1,setosa", "sepal_length: '0' is not in", id="bound"),
        pytest.param("1,1,1,1,rose", "species: 'rose' is not one of", id="label"),
    ],
)
def test_a_refused_field_names_row_and_column(
    row: str, told: str, tmp_path: Path
) -> None:
    content = f"{IRIS_HEAD}{FLOWER}\n{row}\n"  # the blank line counts as a line

    assert f"row 4, column {told}" in str(refusal(IRIS, content, tmp_path))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        pytest.param(
            "0.4,0.5,2.5,157,3,0,1,0,sales,low",
            "number_project: '2.5' is not a whole number",
            id="half-a-project",
        ),
        pytest.param(
            "0.4,0.5,2,157,3,2,1,0,sales,low",
            "work_accident: '2' is not a truth value",
            id="two-is-not-true",
        ),
        pytest.param(
            "0.4,0.5,2,957,3,0,1,0,sales,low",
            "average_monthly_hours: '957' is not in [1, 744]",
            id="more-hours-than-a-month",
        ),
        pytest.param(
            "0.4,0.5,2,157,3,0,1,0,sails,low",
            "department: 'sails' is not one of",
            id="unknown-department",
        ),
    ],
)
def test_columns_are_told_by_their_canonical_names(
    row: str, told: str, tmp_path: Path
) -> None:
    message = str(refusal(TURNOVER, f"{TURNOVER_HEAD}{row}\n", tmp_path))

    assert f"row 2, column {told}" in message


def test_missing_and_unknown_columns_are_all_listed(tmp_path: Path) -> None:
    content = IRIS_HEAD.replace("species", "kind") + FLOWER

    found = refusal(IRIS, content, tmp_path).problems

    assert found == ("column kind is unknown", "column species is missing")


def test_all_problems_of_a_table_are_listed_in_order_of_rows(tmp_path: Path) -> None:
    content = IRIS_HEAD + "1,1,1,99,setosa\nx,1,1,1,rose\n"

    found = refusal(IRIS, content, tmp_path).problems

    assert [problem.split(":")[0] for problem in found] == [
        "row 2, column petal_width",
        "row 3, column sepal_length",
        "row 3, column species",
    ]


def test_a_row_is_named_by_its_line_though_texts_hold_line_ends(tmp_path: Path) -> None:
    content = 'label,text\nham,"one\ntwo"\nspma,three\n'

    assert "row 4, column label" in str(refusal(SPAM, content, tmp_path))


def test_a_blank_text_is_refused(tmp_path: Path) -> None:
    assert "row 2, column text: '  ' is blank" in str(
        refusal(SPAM, "ham\thello\nham\t  \n", tmp_path)
    )


def test_a_table_without_one_of_the_labels_is_refused(tmp_path: Path) -> None:
    rows = [f"{n} {topic},{topic}\n" for topic in TOPICS.labels[:3] for n in range(10)]

    assert "label other has 0 row(s)" in str(
        refusal(TOPICS, "text,topic\n" + "".join(rows), tmp_path)
    )


def test_a_file_that_is_not_there_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidTable, match=r"^none.csv: no such file or directory$"):
        load(IRIS, path=tmp_path / "none.csv", cache=tmp_path)
