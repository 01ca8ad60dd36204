"""Run while the image is built: lays out what goes into it, the same every time.

Files become readable for all and writable for nobody, bytecode is compiled so that it
does not depend on times, and every file gets the same time.
"""

import compileall
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

KEPT = ("bento.yaml", "README.md", "apis", "src")
"""What a server reads of a Bento; its `env` was for the build, its `models` come last."""
LOADER_NAME = "libgomp.so.1"
"""What LightGBM asks the loader for. scikit-learn's wheel brings it under a name of its
own; slim base images have none."""
TESTS = ("test", "tests")
UNUSED = (
    "pyarrow/include",
    "pyarrow/libarrow_flight.so*",
    "pyarrow/libarrow_python_flight.so*",
    "pyarrow/_flight.*.so",
    "pyarrow/libarrow_s3.so*",
    "pyarrow/_s3fs.*.so",
    "pyarrow/libarrow*.so",
    "pyarrow/libarrow*.so.*.*.*",
)
"""What of a library no server uses: of pyarrow its headers, its clients of networks, and
second and third copies of a library under names for compilers, 60 MB of 170 in all. It
does without them by itself."""
COMMAND = """#!{python}
from ekiben.cli import main

main()
"""


def copy_bento(bento: Path, target: Path) -> None:
    """Copy what a server reads from *bento*, the build context; models are separate."""
    target.mkdir(parents=True)
    for name in KEPT:
        source = bento / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target / name, symlinks=True, ignore=ignored)
        elif source.is_file():
            shutil.copyfile(source, target / name)


def finish_environment(environment: Path, bento: Path) -> None:
    """Make the Bento's own `ekiben` importable and a command, and libgomp findable."""
    packages = next(environment.glob("lib/python3*/site-packages"))
    (packages / "ekiben-of-the-bento.pth").write_text(f"{bento}/src\n")
    script = environment / "bin" / "ekiben"
    script.write_text(COMMAND.format(python=environment / "bin" / "python"))
    script.chmod(0o555)
    for found in sorted(packages.glob("scikit_learn.libs/libgomp*.so*")):
        (environment / "lib" / LOADER_NAME).symlink_to(found)
        break


def remove_tests(environment: Path) -> None:
    """Remove the tests that libraries bring: a tenth of all, and nobody runs them."""
    for packages in environment.glob("lib/python3*/site-packages"):
        for found in sorted(packages.glob("*/**/test*/")):
            if found.name in TESTS and found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)


def remove_unused(environment: Path) -> None:
    """Remove what no server uses of its libraries."""
    for packages in environment.glob("lib/python3*/site-packages"):
        for found in {one for form in UNUSED for one in packages.glob(form)}:
            if found.is_dir():
                shutil.rmtree(found)
            else:
                found.unlink()


def compile_bytecode(root: Path) -> None:
    """Compile all modules; by content, so that no time is in what is written."""
    compileall.compile_dir(
        root,
        quiet=2,
        workers=0,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )


def seal(root: Path) -> None:
    """Take every right to write away, and set every time to SOURCE_DATE_EPOCH."""
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or 0)
    for path in [root, *_below(root)]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o555 if executable else 0o444)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _below(root: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(root):
        yield from (Path(directory) / name for name in [*names, *files])


def lay_out_environment(environment: Path, bento: Path) -> None:
    """Finish what pip installed in *environment*, for a Bento that will be at *bento*."""
    remove_tests(environment)
    remove_unused(environment)
    finish_environment(environment, bento)
    compile_bytecode(environment / "lib")
    seal(environment)


def lay_out_bento(context: Path, bento: Path) -> None:
    """Lay out the Bento of the build *context*, and its models beside it."""
    copy_bento(context, bento)
    models = bento.parent / "models"
    shutil.copytree(context / "models", models, symlinks=True)
    for found in models.glob("*/latest"):
        found.unlink()  # versions are asked for by exact tags only
    compile_bytecode(bento / "src")
    for root in (bento, models):
        seal(root)


if __name__ == "__main__":
    made = {"environment": lay_out_environment, "bento": lay_out_bento}[sys.argv[1]]
    made(Path(sys.argv[2]), Path(sys.argv[3]))
