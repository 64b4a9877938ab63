"""The Python package behind a runtime: found, imported late, and missed with its pip extra."""

from __future__ import annotations

import importlib
import os
from typing import Any, NamedTuple

from ..errors import RuntimeUnavailableError


class Package(NamedTuple):
    """A distribution and the module of it that does the work."""

    distribution: str
    module: str
    extra: str
    environment: tuple[tuple[str, str], ...] = ()
    """Variables that it must find when it is imported; what the user has set stays."""

    @property
    def cure(self) -> str:
        """The command that installs it."""
        return f"pip install 'edgewise[{self.extra}]'"

    def installed(self) -> str | None:
        """Version of the installed distribution; None when there is none."""
        from importlib import metadata  # here, as it is slow to import

        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return None

    def version(self) -> str:
        """Version of the installed distribution; RuntimeUnavailableError when there is none."""
        version = self.installed()
        if version is None:
            raise self.missing()
        return version

    def load(self, obstacle: tuple[str, str] | None = None) -> Any:
        """The module, imported; RuntimeUnavailableError if it cannot be or must not be."""
        if self.installed() is None:
            raise self.missing()
        if obstacle is not None:
            raise RuntimeUnavailableError(f"{obstacle[0]} ({obstacle[1]})")
        for name, value in self.environment:
            os.environ.setdefault(name, value)
        try:
            return importlib.import_module(self.module)
        except ImportError as error:  # installed, yet a library it links against is not
            raise RuntimeUnavailableError(
                f"{self.distribution} is installed but does not import: {error} "
                f"({self.cure} --force-reinstall)"
            ) from error

    def missing(self) -> RuntimeUnavailableError:
        """The error that says what to install."""
        return RuntimeUnavailableError(f"{self.distribution} is not installed ({self.cure})")
