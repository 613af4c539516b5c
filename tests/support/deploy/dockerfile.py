"""What a Dockerfile says of its last stage: how the container runs."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Image:
    """The image's defaults; `instructions` are all of the file, in order, each with its argument;
    `files` what the last stage copies from the checkout: place in the image -> source.
    """

    instructions: tuple[tuple[str, str], ...]
    environment: dict[str, str]
    command: tuple[str, ...]
    user: str
    stop_signal: str
    volumes: tuple[str, ...]
    files: dict[str, str]
    working_directory: str


def read_dockerfile(path: Path) -> Image:
    text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", " ", text).splitlines()
    instructions = tuple(tuple(line.split(maxsplit=1)) for line in lines if line.strip())
    last = max(at for at, (name, _) in enumerate(instructions) if name == "FROM")
    stage = instructions[last:]

    def argument(name):
        return next(value for each, value in reversed(stage) if each == name)

    environment = dict(
        pair.partition("=")[::2] for name, value in stage if name == "ENV" for pair in shlex.split(value)
    )
    return Image(
        instructions=instructions,
        environment=environment,
        # The form without a shell; the other is not JSON.
        command=(*json.loads(argument("ENTRYPOINT")), *json.loads(argument("CMD"))),
        user=argument("USER"),
        stop_signal=argument("STOPSIGNAL"),
        volumes=tuple(value for name, value in stage if name == "VOLUME"),
        files=dict(
            reversed(value.split()) for name, value in stage if name == "COPY" and "--from" not in value
        ),
        working_directory=argument("WORKDIR"),
    )
