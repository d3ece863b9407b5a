"""Names of tools and ids of calls as Anthropic takes them: letters, digits, `_` and `-`; no id twice."""

from route.dialects.names import MAX_NAME, wire_name

MAX_TOOL_NAME = 128


def tool_name(namespace: str, name: str) -> str:
    """The name of a tool. Anthropic takes long names; those with a namespace keep to the length that all take."""
    return wire_name(namespace, name, MAX_NAME if namespace else MAX_TOOL_NAME)


class UniqueIds:
    """Makes ids legal and unique: some servers number the calls of each turn from 0."""

    def __init__(self) -> None:
        self._wanted: dict[str, int] = {}
        self._given: set[str] = set()

    def give(self, wanted: str) -> str:
        """A new id. It depends only on the ids given before, so that a history that grows keeps its ids."""
        while True:
            count = self._wanted.get(wanted, 0)
            self._wanted[wanted] = count + 1
            given = wire_name("", f"{wanted}#{count}" if count else wanted)
            if given not in self._given:
                self._given.add(given)
                return given
