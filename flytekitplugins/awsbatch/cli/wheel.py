"""`flyte-awsbatch wheel`: this installation as a wheel, to be put into an image. PyPI has a version that lacks the
commands which jobs start.

It is put together from what is installed, also where that is a working copy: no build tool and no network is needed.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import rich_click as click

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.wire import MAP_EXECUTE_SCRIPT, TIMEOUT_SCRIPT

from .common import fail_command, json_option, print_json

DISTRIBUTION = "flytekitplugins-awsbatch"
MODULES = ("flytekitplugins_awsbatch_pytest", "flytekitplugins_awsbatch_timeout")
# Files of the installation's metadata, as a wheel names them and, if it differs, as a working copy does; others say how
# it was installed here.
METADATA = {"METADATA": "PKG-INFO", "entry_points.txt": "", "top_level.txt": ""}
# The time of each file in the wheel: the same files make the same wheel.
MADE = (1980, 1, 1, 0, 0, 0)
TAG = "Wheel-Version: 1.0\nGenerator: flyte-awsbatch\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


class IncompleteInstallationError(Exception):
    """There is no wheel to be made of this installation; the message says why."""


@click.command("wheel")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("wheels"),
    show_default=True,
    metavar="DIR",
    help="The folder that gets the wheel.",
)
@json_option
def wheel_command(output: Path, as_json: bool) -> None:
    """Make a wheel of this installation, for the image that your jobs start from.

    Prints how an ImageSpec and a Dockerfile install it.
    """
    try:
        made = _make_wheel(output)
    except IncompleteInstallationError as error:
        fail_command(str(error))
    except OSError as error:
        fail_command(f"{error.filename or output}: {error.strerror}")
    if as_json:
        print_json({"wheel": str(made)})
        return
    click.echo(f"Made {made}")
    click.echo("\n".join(how_to_install_wheel(made)))


def how_to_install_wheel(made: Path) -> list[str]:
    # An ImageSpec copies from below the folder that the registration is started in.
    inside = made.relative_to(Path.cwd()) if made.is_relative_to(Path.cwd()) else made
    place = inside.as_posix()
    lines = [
        "In an ImageSpec:",
        f'  ImageSpec(..., copy=["{place}"], commands=["uv pip install /root/{place}"])',
        "In a Dockerfile:",
        f"  COPY {place} /tmp/",
        f"  RUN pip install --no-cache-dir /tmp/{made.name}",
    ]
    if inside.is_absolute():
        lines.append(f"Both copy from below their own folder alone: move {made.name} there, or make it there with -o.")
    return lines


def _make_wheel(folder: Path) -> Path:
    """Writes the wheel and returns its path. Raises IncompleteInstallationError, OSError."""
    try:
        installed = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        raise IncompleteInstallationError(f"{DISTRIBUTION} is not installed: `pip install` it first.") from None
    texts = {
        name: text
        for name, other in METADATA.items()
        if (text := installed.read_text(name) or (installed.read_text(other) if other else None)) is not None
    }
    missing = [each for each in (MAP_EXECUTE_SCRIPT, TIMEOUT_SCRIPT) if each not in texts.get("entry_points.txt", "")]
    if missing:
        raise IncompleteInstallationError(
            f"The installed {DISTRIBUTION} {installed.version} does not know the command {missing[0]}, which was added "
            "after it was installed. Install it anew (`pip install --editable .` for a working copy)."
        )
    name = f"{DISTRIBUTION.replace('-', '_')}-{installed.version}"
    about = f"{name}.dist-info"
    files = {**dict(_code_files()), **{f"{about}/{each}": text.encode() for each, text in texts.items()}}
    files[f"{about}/WHEEL"] = TAG.encode()
    record = "".join(f"{path},{_record_hash(data)},{len(data)}\n" for path, data in sorted(files.items()))
    files[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.absolute() / f"{name}-py3-none-any.whl"
    beside = path.with_suffix(".part")
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, data in sorted(files.items()):
            entry = zipfile.ZipInfo(file, MADE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return beside.replace(path)


def _code_files() -> Iterator[tuple[str, bytes]]:
    """(path in the wheel, content) of each file of the package and of the modules beside it."""
    root = Path(wire.__file__).parent
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
            yield f"flytekitplugins/awsbatch/{path.relative_to(root).as_posix()}", path.read_bytes()
    for module in MODULES:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise IncompleteInstallationError(f"The module {module} of {DISTRIBUTION} cannot be found.")
        yield f"{module}.py", Path(spec.origin).read_bytes()


def _record_hash(data: bytes) -> str:
    """The hash in the form of a RECORD (PEP 376)."""
    return f"sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')}"
