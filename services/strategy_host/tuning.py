"""A strategy's parameters: those of its configuration, and over them those set at run time.

What was set at run time is kept with the strategy's journal and holds over restarts, until it is
reset by name. When it no longer fits the file's parameters, the strategy does not start on others
than were asked for: the problem is told, and a reset ends it.
"""

from __future__ import annotations

from common import messages as m
from common.strategy import ParameterError, Parameters, read_parameters
from services.strategy_host.memory import Memory, ParametersRecord
from services.strategy_host.report import from_texts

ALL = "*"


class Tuning:
    """Args: given: by the configuration; None when the strategy could not be loaded."""

    def __init__(self, given: Parameters | None, memory: Memory) -> None:
        self._given = given
        self._memory = memory
        self.parameters = given or Parameters()
        self.problem = ""
        if given is not None and memory.parameters:
            try:
                self.parameters = self._combined(given, memory.parameters)
            except ParameterError as error:
                self.problem = f"a parameter set at run time is not usable: {error}; reset it"

    @property
    def set_at_run_time(self) -> dict[str, str]:
        return self._memory.parameters

    def change(self, command: m.SetParameters) -> ParametersRecord:
        """Take all of it, or nothing; returns what is to be kept on disk first.

        Raises:
            ParameterError: it names one that is unknown, bad, or not set at run time.
        """
        known = self._memory.parameters
        for name in command.reset:
            if name != ALL and name not in known:
                listed = ", ".join(sorted(known)) or "none"
                raise ParameterError(name, f"was not set at run time (set: {listed})")
        is_all = ALL in command.reset
        kept = {} if is_all else {k: v for k, v in known.items() if k not in command.reset}
        wanted = kept | command.values
        if self._given is not None:
            self.parameters = self._combined(self._given, wanted)
        self.problem = ""
        self._memory.parameters = wanted
        return ParametersRecord(wanted)

    @staticmethod
    def _combined(given: Parameters, wanted: dict[str, str]) -> Parameters:
        fields = {name: getattr(given, name) for name in given.__struct_fields__}
        return read_parameters(type(given), fields | from_texts(wanted))
