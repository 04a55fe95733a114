"""Files to structs. Errors name the file and the key, never a value."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
import yaml

from common.config.base import Config
from common.config.checks import check
from common.config.desk import DeskConfig
from common.config.gateway import KeyConfig, KeyFileConfig
from common.config.limits import RiskConfig
from common.errors import ConfigError

T = TypeVar("T")


def load(path: str | Path) -> DeskConfig:
    """Read and check a configuration file.

    Raises:
        ConfigError: the file is missing or broken; names the file and the key, never a value.
    """
    path = Path(path)
    config = read(path, DeskConfig)
    check(config, str(path))
    return config


def load_keys(path: Path) -> list[KeyConfig]:
    """Raises: ConfigError."""
    return read(path, KeyFileConfig).keys


def load_risk(path: Path) -> RiskConfig:
    """Raises: ConfigError."""
    return read(path, RiskConfig)


def read(path: Path, kind: type[T]) -> T:
    """The types of its values are checked, nothing more. Raises: ConfigError."""
    try:
        raw = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(str(path), "", "there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), "", f"cannot be read: {error}") from None
    except RecursionError:
        raise ConfigError(str(path), "", "is nested too deeply") from None
    except ValueError:
        raise ConfigError(str(path), "", "holds a number or a time that is none") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else ""
        raise ConfigError(str(path), where, "is not valid YAML") from None
    try:
        return msgspec.convert(raw, kind)
    except UnicodeEncodeError:
        raise ConfigError(str(path), "", "holds half a character (a lone surrogate)") from None
    except msgspec.ValidationError as error:
        problem, _, key = str(error).partition(" - at `$")
        key = key.strip("`.")
        problem = _of_unknown_key(problem) or problem + _choices(key)
        raise ConfigError(str(path), key or "top level", problem) from None


def _of_unknown_key(problem: str) -> str:
    """What to say when it is that there is no such key, with the one that may be meant."""
    _, is_unknown, name = problem.partition("unknown field `")
    if not is_unknown:
        return ""
    name = name.strip("`")
    known = {field for struct in Config.__subclasses__() for field in struct.__struct_fields__}
    meant = get_close_matches(name, sorted(known), 1)
    return f"there is no key `{name}`" + (f"; is `{meant[0]}` meant?" if meant else "")


def _choices(key: str) -> str:
    """What may stand at a key that takes some words only."""
    name = key.rpartition(".")[2]
    for struct in Config.__subclasses__():
        kind = get_type_hints(struct).get(name)
        if get_origin(kind) is Literal:
            return f": one of {', '.join(get_args(kind))}"
    return ""
