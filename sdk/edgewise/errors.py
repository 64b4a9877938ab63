"""Every error that edgewise raises on purpose. The C++ core raises these same classes."""

from __future__ import annotations

_LONGEST, _BEGINNING, _END = 1000, 700, 250  # characters of a message


class EdgewiseError(Exception):
    """The base of all: catch it to catch every error of edgewise.

    Messages quote what files hold, which may be anything: the middle of a long one is left out.
    """

    def __str__(self) -> str:
        text = super().__str__()
        if len(text) <= _LONGEST:
            return text
        return f"{text[:_BEGINNING]} ... {text[-_END:]}"


class ArgumentError(EdgewiseError, ValueError):
    """A value that the caller passed cannot be used."""


class ArchitectureError(ArgumentError):
    """An architecture is malformed or not of this space; the message gives the position."""


class PictureError(ArgumentError):
    """A picture cannot be read or used; the message names it, the cause and the cure."""


class BundleError(EdgewiseError):
    """A bundle is damaged, of another kind, or too new; the message names the file and cause."""


class ModelFileError(EdgewiseError):
    """A network's `.tflite` or `.onnx` file is damaged, of another format, or has sizes missing.

    The message names the file, the cause and the cure.
    """


class RuntimeUnavailableError(EdgewiseError):
    """An inference runtime is missing or broken; the message says how to get it."""


class MeasurementError(EdgewiseError):
    """A timing failed or is no usable number of milliseconds."""


class NotCalibratedError(EdgewiseError):
    """A prediction was asked for before any device was calibrated, or any class was shown."""


class ProfileError(EdgewiseError):
    """A saved device does not belong to this space, machine, runtime or library version."""


class StorageError(EdgewiseError, OSError):
    """A file could not be written; the message names the path and the cure.

    `errno` and `filename` are set as on any `OSError`.
    """

    def __init__(self, message: str, errno: int | None = None, filename: str | None = None) -> None:
        super().__init__(message)
        self.errno = errno
        self.filename = filename

    def __str__(self) -> str:
        return str(self.args[0])
