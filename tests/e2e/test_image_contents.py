"""C-84, C-89: what is in the image, and what is not."""

import json
import re

import pytest
from packaging.version import Version

from tests.criteria_plugin import Figure
from tests.e2e.contents import BENTO, ENVIRONMENT, Contents
from tests.faults.test_dependency_floor import FLOORS

TOOLS = {
    *(
        "gcc",
        "g++",
        "cc",
        "c++",
        "cpp",
        "clang",
        "make",
        "ld",
        "as",
        "go",
        "rustc",
        "cargo",
    ),
    *("git", "curl", "wget", "ssh", "nc", "pip", "pip3", "uv", "gdb", "strace"),
}
SHELLS = {"sh", "dash", "bash", "rbash"}
"""Debian's own; nothing of ours needs them, and a person who looks for a fault does."""
ONLY_FOR_WORK = {
    "locust",
    "pytest",
    "dask",
    "pooch",
    "hypothesis",
    "schemathesis",
    "mypy",
    "cyclonedx-bom",
}
SECRETS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*\n[A-Za-z0-9+/=]{40}"
    rb"|AKIA[0-9A-Z]{16}|ghp_[A-Za-z0-9]{36}|ekb_[a-z0-9]{12}_[A-Za-z0-9_-]{40}"
)
MODELS = f"{BENTO}/models"


def test_c84_the_process_is_not_root(contents: Contents) -> None:
    user = contents.configuration["Config"]["User"]

    assert user == "1034:1034"


def test_c84_code_and_models_belong_to_root_and_nobody_may_write_them(
    contents: Contents,
) -> None:
    ours = contents.below(ENVIRONMENT, f"{BENTO}/src", f"{BENTO}/bento.yaml", MODELS)
    wrong = [
        name
        for name, one in ours.items()
        if (one.uid, one.gid) != (0, 0)
        or (one.isreg() and one.mode & 0o777 not in (0o444, 0o555))
        # A layer's own directory is made by the engine, with its usual rights.
        or (one.isdir() and one.mode & 0o022)
    ]

    assert any(name.startswith(MODELS) and one.isreg() for name, one in ours.items())
    assert wrong == []


def test_c84_only_directories_for_scratch_are_open_to_all(contents: Contents) -> None:
    open_to_all = {
        name
        for name, one in contents.members.items()
        if (one.isreg() or one.isdir()) and one.mode & 0o002
    }

    assert open_to_all <= {"tmp", "var/tmp", "var/ekiben", "run/lock", "dev/shm"}


def test_c84_no_program_raises_its_rights(contents: Contents) -> None:
    raising = [
        n for n, one in contents.members.items() if one.isreg() and one.mode & 0o6000
    ]

    assert raising == []


def test_c84_there_are_no_compilers_and_no_tools_to_fetch_with(
    contents: Contents,
) -> None:
    programs = {
        name.rpartition("/")[2]
        for name, one in contents.members.items()
        if "/bin/" in f"/{name}" and not one.isdir()
    }

    assert programs & TOOLS == set()
    assert {one for one in programs if one.endswith("sh")} & {
        "zsh",
        "fish",
        "ksh",
    } == set()
    assert SHELLS & programs <= SHELLS


def test_c84_no_secret_is_in_a_file_or_in_the_history(contents: Contents) -> None:
    told = json.dumps(contents.configuration)
    named = re.findall(r"(?i)[\w]*(?:password|secret|token|pepper)[\w]*=", told)
    found = [
        name
        for name, content in contents.files()
        # A program may hold the words by chance, or to look for them.
        if not content.startswith(b"\x7fELF") and SECRETS.search(content)
    ]
    hidden = [
        name
        for name in contents.below("app", "home", "root", "build", "tmp")
        if re.search(
            r"(^|/)(\.env|id_rsa|id_ed25519|.*\.pem|.*\.key|\.netrc|\.pypirc|\.git)$",
            name,
        )
        and not name.endswith("certifi/cacert.pem")
    ]

    assert named == []
    assert found == []
    assert hidden == []


def test_c84_the_list_of_components_names_every_installed_distribution(
    contents: Contents,
) -> None:
    listed = json.loads(contents.read(f"{ENVIRONMENT}/share/sbom/ekiben.cdx.json"))
    named = {
        one["name"].lower().replace("_", "-").replace(".", "-"): one["version"]
        for one in listed["components"]
    }

    assert listed["bomFormat"] == "CycloneDX"
    assert len(named) > 80
    assert contents.distributions() == named


def test_c84_what_only_work_needs_is_not_there(contents: Contents) -> None:
    assert ONLY_FOR_WORK & set(contents.distributions()) == set()


def test_c84_every_module_has_its_bytecode(contents: Contents) -> None:
    code = f"{BENTO}/src/ekiben/serving"
    modules = [n for n in contents.below(code) if n.endswith(".py")]
    compiled = [n for n in contents.below(code) if n.endswith(".pyc")]

    assert len(modules) == len(compiled) > 30


def test_c84_the_labels_say_what_it_is(contents: Contents, bento: str) -> None:
    labels = contents.configuration["Config"]["Labels"]

    assert labels["org.opencontainers.image.version"] == bento.partition(":")[2]
    assert labels["org.opencontainers.image.base.name"] == "python:3.11-slim"
    assert labels["ekiben.bento"] == bento
    assert len(labels["ekiben.models"].split(",")) == 5
    assert re.match(r"\d{4}-\d\d-\d\dT", labels["org.opencontainers.image.created"])


def test_c84_the_models_are_the_last_layer(contents: Contents) -> None:
    made = [
        one for one in contents.configuration["History"] if not one.get("empty_layer")
    ]

    assert MODELS in made[-1]["created_by"]
    assert MODELS not in json.dumps(made[:-1])


def test_c84_the_size_is_bounded(contents: Contents, figure: Figure) -> None:
    megabytes = contents.configuration["Size"] / 1e6
    ours = sum(one.size for one in contents.below("app", "home").values()) / 1e6
    models = sum(one.size for one in contents.below(MODELS).values()) / 1e6

    figure("image, MB", round(megabytes))
    figure("environment, code and models, MB", round(ours))
    figure("models, MB", round(models, 1))
    assert ours < 570


@pytest.mark.parametrize("name", FLOORS)
def test_c89_a_dependency_in_the_image_is_recent_enough(
    contents: Contents, name: str
) -> None:
    installed = contents.distributions().get(name)

    assert installed is None or Version(installed) >= Version(FLOORS[name])


def test_c89_bentoml_in_the_image_is_the_pinned_version(contents: Contents) -> None:
    assert contents.distributions()["bentoml"] == "1.4.39"
