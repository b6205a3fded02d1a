"""A registry of named values: built-in ones, and those of installed plug-ins, which are loaded on first use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from gnomon.data.errors import InputError, PluginError, UnknownNameError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Values of one kind by name, in the order of registration.

    Parameters
    ----------
    kind : str
        What the values are, in the singular, for messages ("outcome rule").
    group : str
        Entry point group of plug-ins; "" for none. An entry point names a function without parameters,
        which registers its values, or a value to register under the entry point's name.
    """

    def __init__(self, kind: str, group: str = "") -> None:
        self.kind, self.group = kind, group
        self._failed: dict[str, str] = {}
        self._plugins: list[str] = []
        self._values: dict[str, T] = {}
        self._loaded = not group

    def register(self, name: str, value: T) -> T:
        """Add a value under a name; returns the value.

        Parameters
        ----------
        name : str
            Name that must not be taken.
        value : T
            The value to register.

        Raises
        ------
        InputError
            If the name is taken.
        """
        if name in self._values:
            raise InputError(f"{self.kind} '{name}' is registered already: choose another name")
        self._values[name] = value
        return value

    def unregister(self, name: str) -> None:
        """Remove a value; an unknown name is ignored."""
        self._values.pop(name, None)

    def find(self, name: str) -> T:
        """The value registered as `name`.

        Raises
        ------
        PluginError
            If a plug-in of that name failed.
        UnknownNameError
            If there is none; the message lists the known names and the plug-ins that failed.
        """
        if name not in self:
            if name in self._failed:
                raise PluginError(self._failed[name])
            failed = "".join(f"; {failure}" for failure in self.failures)
            raise UnknownNameError(f"{self.kind} '{name}' is not known: choose from {', '.join(self)}{failed}")
        return self[name]

    @property
    def plugins(self) -> list[str]:
        """Name and distribution of each plug-in that was loaded."""
        self._load_plugins()
        return list(self._plugins)

    @property
    def failures(self) -> list[str]:
        """One line for each plug-in that failed: its name, its distribution and the cause."""
        self._load_plugins()
        return list(self._failed.values())

    def check_plugins(self) -> None:
        """Raise `PluginError` if a plug-in failed, for what would be incomplete without it."""
        if self.failures:
            raise PluginError("; ".join(self.failures))

    def __getitem__(self, name: str) -> T:
        """The value registered under a name."""
        self._load_plugins()
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """The names, in order of registration."""
        self._load_plugins()
        return iter(self._values)

    def __len__(self) -> int:
        """Number of values."""
        self._load_plugins()
        return len(self._values)

    def _load_plugins(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        from importlib.metadata import entry_points

        for point in entry_points(group=self.group):
            before = dict(self._values)
            origin = point.dist.name if point.dist else point.value
            try:
                self._load_plugin(point)
                self._plugins.append(f"{self.kind} {point.name} of {origin}")
            except (Exception, SystemExit) as error:
                self._values = before
                cause = " ".join(f"{type(error).__name__}: {error}".split())
                self._failed[point.name] = (
                    f"plug-in '{point.name}' of {origin} failed ({cause}): update or uninstall {origin}"
                )

    def _load_plugin(self, point: EntryPoint) -> None:
        loaded = point.load()
        if callable(loaded):
            loaded()
        else:
            self.register(point.name, loaded)
