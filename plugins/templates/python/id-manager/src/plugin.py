"""A generator of session IDs: 20 random bytes as 40 hexadecimal digits.

A function of the contract that answers `result` returns its answer or raises `Err` with an error of the contract, such
as `Err(types.Error_InvalidArgument("why"))`. Any other exception ends this instance and fails the call.
"""

import re
from typing import List, Tuple

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.id_manager import IdContext, IdForm, IdManagerInfo

# Not Python's own `random` or `secrets`: in a component they give the same numbers in every instance.
from wit_world.imports import random, types

RANDOM_BYTES = 20
WELL_FORMED = re.compile(r"[0-9a-f]{40}")


class IdManager(exports.IdManager):
    def initialize(self, name: str, settings: List[Tuple[str, str]]) -> IdManagerInfo:
        # A misspelt setting would be ignored in silence.
        for unknown, _ in settings:
            reason = f"there is no setting `{unknown}`; this plugin has none"
            raise Err(types.Error_InvalidArgument(reason))
        # The host refuses a generator of less than 128 random bits. `verifiable` is for generators that can tell an ID
        # of their own from any other, by a signature in it.
        return IdManagerInfo("my-plugin 0.1.0", RANDOM_BYTES * 8, IdForm.CUSTOM, verifiable=False)

    def create(self, context: IdContext) -> str:
        return random.bytes(RANDOM_BYTES).hex()

    def validate(self, id: str) -> bool:
        return WELL_FORMED.fullmatch(id) is not None
