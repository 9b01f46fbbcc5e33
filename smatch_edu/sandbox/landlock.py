"""Landlock, by which a process on Linux gives up its own rights to files: nobody's leave is needed, and it cannot be
taken back.

The kernel's documentation: userspace-api/landlock. Three system calls, for which the standard library has no names.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterable

CREATE, ADD_RULE, RESTRICT = 444, 445, 446  # system calls, the same on every architecture that we run on
NO_NEW_PRIVILEGES = 38  # prctl
READ_FILE, READ_DIR = 1 << 2, 1 << 3
OWN = 1 << 1 | READ_FILE | READ_DIR | 1 << 5 | 1 << 8 | 1 << 14  # write, read, list, remove, make and cut plain files
EVERYTHING = {1: 13, 2: 14, 3: 15, 4: 15}  # how many rights to files each version knows; from the fifth on 16
OF_FILES = 1 | 1 << 1 | READ_FILE | 1 << 14  # the rights that a rule for a file, and not a folder, can give
NETWORK = 3  # bind and connect, TCP
SCOPES = 3  # abstract sockets and signals to processes outside


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64)]


class _Below(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def version() -> int:
    """Which Landlock the kernel has; 0 for none."""
    if sys.platform != "linux":
        return 0
    return max(0, ctypes.CDLL(None).syscall(CREATE, None, 0, 1))


def restrict(read: Iterable[str], names: Iterable[str], write: Iterable[str]) -> bool:
    """From now on this process reads files only below `read`, sees names only below these and `names`, has plain files
    of its own only below `write`, starts no program and opens no TCP connection (the last from version 4 on).

    Returns:
        Whether it is so; False where the kernel has no Landlock.
    """
    found = version()
    if not found:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    rights = (1 << EVERYTHING.get(found, 16)) - 1
    asked = _Ruleset(rights, NETWORK if found >= 4 else 0, SCOPES if found >= 6 else 0)
    size = 24 if found >= 6 else 16 if found >= 4 else 8
    ruleset = libc.syscall(CREATE, ctypes.byref(asked), size, 0)
    try:
        if ruleset < 0:
            return False
        for places, allowed in ((names, READ_DIR), (read, READ_FILE | READ_DIR), (write, OWN & rights)):
            for place in places:
                _allow(libc, ruleset, place, allowed)
        one, zero = ctypes.c_ulong(1), ctypes.c_ulong(0)
        libc.prctl(NO_NEW_PRIVILEGES, one, zero, zero, zero)
        return libc.syscall(RESTRICT, ruleset, 0) == 0
    finally:
        if ruleset >= 0:
            os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, place: str, allowed: int) -> None:
    try:
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no leave
    try:
        rule = _Below(allowed if os.path.isdir(place) else allowed & OF_FILES, descriptor)
        libc.syscall(ADD_RULE, ruleset, 1, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)
