"""What `kubectl` is in tests: rendering is the real one's, the cluster is a file.

It keeps the Deployment's revisions as a cluster does: a changed template makes a new one,
an undo makes the former template the newest revision.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import yaml

STATE = Path(os.environ["FAKE_CLUSTER"])
REVISION = "deployment.kubernetes.io/revision"


def main(arguments: list[str]) -> str:
    """Do what is asked, and return what kubectl prints."""
    state = json.loads(STATE.read_text()) if STATE.exists() else {}
    state.setdefault("asked", []).append(arguments)
    revisions: list[Any] = state.setdefault("revisions", [])
    try:
        return answer(state, revisions, arguments)
    finally:
        STATE.write_text(json.dumps(state))


def answer(state: Any, revisions: list[Any], arguments: list[str]) -> str:
    words = [one for one in arguments if not one.startswith("-")]
    if state.get("away"):
        refuse("The connection to the server localhost:8080 was refused")
    if words[0] == "apply":
        apply(state, revisions, sys.stdin.read())
    elif words[:2] == ["get", "deployment"]:
        return deployment(revisions)
    elif words[:2] == ["rollout", "status"] and revisions[-1]["broken"]:
        refuse("error: timed out waiting for the condition")
    elif words[:2] == ["rollout", "undo"]:
        undo(revisions, arguments)
    return ""


def apply(state: Any, revisions: list[Any], text: str) -> None:
    (found,) = [one for one in yaml.safe_load_all(text) if one["kind"] == "Deployment"]
    if not revisions or revisions[-1]["document"]["spec"] != found["spec"]:
        broken = state.get("breaks", False)
        number = max([0, *(one["number"] for one in revisions)]) + 1
        revisions.append({"number": number, "document": found, "broken": broken})


def deployment(revisions: list[Any]) -> str:
    if not revisions:
        return ""
    document = revisions[-1]["document"]
    document["metadata"]["annotations"] = {REVISION: str(revisions[-1]["number"])}
    return json.dumps(document)


def undo(revisions: list[Any], arguments: list[str]) -> None:
    asked = [one.partition("=")[2] for one in arguments if "--to-revision" in one]
    former = [
        one for one in revisions[:-1] if not asked or str(one["number"]) == asked[0]
    ]
    if not former:
        refuse("error: no rollout history found for deployment")
    newest = former[-1] | {"number": revisions[-1]["number"] + 1}
    revisions.remove(former[-1])
    revisions.append(newest)


def refuse(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.exit(1)


if __name__ == "__main__":
    if sys.argv[1] == "kustomize":
        real = os.environ["REAL_KUBECTL"]
        os.execv(real, [real, *sys.argv[1:]])
    sys.stdout.write(main(sys.argv[1:]))
