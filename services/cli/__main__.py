"""`crossdesk`: the command line of the desk. `crossdesk --help` lists the commands."""

from __future__ import annotations

import os
import sys

from common.errors import ConfigError
from services.cli.app import app
from services.cli.gateway import Refused
from services.cli.output import print_json
from services.cli.settings import CliError, hoist

BAD_CONFIG = 78
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command; every failure is one sentence on stderr and an exit code."""
    arguments = hoist(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in arguments
    try:
        app(arguments, prog_name="crossdesk")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 1
    except Refused as error:
        return _fail(error.text, error.exit_code, error.body if as_json else None)
    except CliError as error:
        body = {"error": error.text, **error.fields} if as_json else None
        return _fail(error.text, error.exit_code, body)
    except ConfigError as error:
        body = {"error": str(error), "field": error.key} if as_json else None
        return _fail(str(error), BAD_CONFIG, body)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    return 0


def _fail(text: str, exit_code: int, body: dict[str, object] | None) -> int:
    print(f"crossdesk: {text}", file=sys.stderr)
    if body is not None:
        print_json(body)
    return exit_code


if __name__ == "__main__":
    raise SystemExit(main())
