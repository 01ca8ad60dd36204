"""The image's entrypoint: serves the Bento, or runs what it is told to.

`docker run IMAGE`, `docker run IMAGE --port 8080` and `docker run IMAGE serve --port 8080`
serve; `docker run IMAGE ekiben keys list` runs that.
"""

import os
import sys
from collections.abc import Mapping, Sequence


def command(arguments: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Return what to run in place of this process."""
    if arguments and arguments[0] != "serve" and not arguments[0].startswith("-"):
        return list(arguments)
    options = arguments[1:] if arguments and arguments[0] == "serve" else arguments
    return ["bentoml", "serve", *options, environ["BENTO_PATH"]]


if __name__ == "__main__":
    found = command(sys.argv[1:], os.environ)
    try:
        os.execvp(found[0], found)
    except OSError as error:
        sys.exit(f"ekiben: {found[0]}: {error.strerror}")
