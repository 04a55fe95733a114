"""From a strategy's configuration to its object: the file, the class in it, its parameters."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from common.config import StrategyConfig
from common.errors import ConfigError
from common.strategy import ParameterError, Parameters, Strategy, read_parameters
from services.strategy_host import guard

MODULE = "crossdesk_strategy"


class Loaded(msgspec.Struct):
    """strategy is None when the file could not be used; problem says why, with its line."""

    path: str
    strategy: Strategy[Any] | None = None
    parameters: Parameters | None = None
    problem: str = ""


def load(config: StrategyConfig, directory: Path) -> Loaded:
    """Load a strategy.

    Args:
        directory: what config.file is relative to.
    """
    path = (directory / config.file).resolve()
    loaded = Loaded(str(path))
    try:
        kind = find_class(import_file(path), config)
        loaded.parameters = read_parameters(kind.parameters_type, config.parameters)
    except ParameterError as error:
        loaded.problem = f"strategies.{config.name}.parameters.{error}"
    except ConfigError as error:
        loaded.problem = str(error)
    except (Exception, SystemExit) as error:  # whatever the file does when it is imported
        loaded.problem = str(guard.fault_of(error, str(path)))
    else:
        outcome = guard.run(lambda: _make(loaded, kind), lambda: 0, str(path))
        loaded.problem = "" if outcome.fault is None else str(outcome.fault)
    return loaded


def _make(loaded: Loaded, kind: type[Strategy[Any]]) -> None:
    loaded.strategy = kind()


def import_file(path: Path) -> ModuleType:
    """Run the file as a module of its own; its neighbours can be imported.

    Raises:
        ConfigError: there is no such file. And whatever the file raises.
    """
    if not path.is_file():
        raise ConfigError(str(path), "", "there is no such file")
    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None or spec.loader is None:
        raise ConfigError(str(path), "", "is not a Python file")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    return module


def find_class(module: ModuleType, config: StrategyConfig) -> type[Strategy[Any]]:
    """The one Strategy of the file, or the one that the configuration names.

    Raises:
        ConfigError
    """
    found: dict[str, type[Strategy[Any]]] = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, Strategy)
        and value.__module__ == module.__name__
    }
    if config.class_name:
        if config.class_name not in found:
            known = ", ".join(found) or "none"
            problem = f"has no strategy {config.class_name!r} (it has: {known})"
            raise ConfigError(config.file, "class_name", problem)
        return found[config.class_name]
    if len(found) != 1:
        problem = "has no class that is a Strategy"
        if found:
            problem = f"has several strategies ({', '.join(found)}): name one in class_name"
        raise ConfigError(config.file, "class_name", problem)
    return next(iter(found.values()))
