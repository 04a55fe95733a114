"""`crossdesk keys`: the key pair of this host, for a desk on several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from common.transport import bus
from services.cli.output import print_json
from services.cli.settings import Settings


def register(app: typer.Typer) -> None:
    app.command()(keys)


def keys(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The file, as in bus.key_file.")],
) -> None:
    """Make a key pair for the bus in FILE, unless it is there, and print the public key."""
    settings: Settings = context.obj
    is_new = not file.exists()
    pair = bus.make_key(file) if is_new else bus.read_key(file)
    public = pair.public.decode()
    if settings.as_json:
        print_json({"file": str(file), "public_key": public, "is_new": is_new})
    else:
        typer.echo(public)
