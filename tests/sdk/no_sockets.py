"""Forbids this process the network, for good: the kernel ends it at the first socket it opens.

A seccomp filter, which any user may put on: no privileges are needed. Linux on x86-64 and arm64.
"""

from __future__ import annotations

import ctypes
import platform
import struct

# asm/unistd.h: socket, connect, accept, sendto, sendmsg, bind, listen, accept4, io_uring_setup.
_CALLS = {
    "x86_64": (0xC000003E, (41, 42, 43, 44, 46, 49, 50, 288, 425)),
    "aarch64": (0xC00000B7, (198, 203, 202, 206, 211, 200, 201, 242, 425)),
}
SUPPORTED = platform.system() == "Linux" and platform.machine() in _CALLS

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06  # of BPF: linux/bpf_common.h
_ALLOW, _KILL = 0x7FFF0000, 0x80000000  # linux/seccomp.h
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2  # linux/prctl.h


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def forbid_sockets() -> None:
    """Raises OSError where the kernel refuses."""
    architecture, calls = _CALLS[platform.machine()]
    lines = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
    ]
    lines += [(_EQUAL, len(calls) - at, 0, call) for at, call in enumerate(calls)]
    lines += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _KILL)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
    program = _Program(len(lines), ctypes.addressof(code))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for arguments in (
        (_NO_NEW_PRIVILEGES, 1, 0, 0, 0),
        (_SET_SECCOMP, _FILTER, ctypes.addressof(program), 0, 0),
    ):
        if prctl(*(ctypes.c_ulong(argument) for argument in arguments)):
            raise OSError(ctypes.get_errno(), "seccomp is not to be had here")
