"""Seccomp, by which a process on Linux gives up system calls: nobody's leave is needed, also in a container, and it
cannot be taken back.

What is left computes, starts threads, and reads and writes the files that `landlock` lets it have. What is given up:
programs and processes, signals to others and looks into their memory, the network, rights, times and (before Linux 6.2)
lengths of files, which Landlock leaves to their owner, memory that no limit counts, a way out of the leash, and all
that root may do.

The kernel's documentation: userspace-api/seccomp_filter; the numbers are those of its tables of system calls.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import signal
import struct
import sys

CALLS = {  # name, number on x86_64, on aarch64; - where there is no such call
    "programs and processes": (
        "clone 56 220, clone3 435 435, fork 57 -, vfork 58 -, execve 59 221, execveat 322 281, "
        "unshare 272 97, setns 308 268"
    ),
    "signals and memory of others": (
        "kill 62 129, tkill 200 130, tgkill 234 131, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240, "
        "pidfd_send_signal 424 424, pidfd_open 434 434, pidfd_getfd 438 438, ptrace 101 117, kcmp 312 272, "
        "process_vm_readv 310 270, process_vm_writev 311 271, process_madvise 440 440, "
        "process_mrelease 448 448"
    ),
    "limits, priority, the leash": (
        "prlimit64 302 261, prctl 157 167, setpriority 141 140, ioprio_set 251 30, sched_setparam 142 118, "
        "sched_setscheduler 144 119, sched_setattr 314 274, sched_setaffinity 203 122, "
        "migrate_pages 256 238, move_pages 279 239"
    ),
    "the network": "socket 41 198, socketpair 53 199, connect 42 203, bind 49 200",
    "calls that no filter sees": "io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427",
    "rights and owners": (
        "chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452, chown 92 -, lchown 94 -, "
        "fchown 93 55, fchownat 260 54"
    ),
    "lengths": "open 2 -, openat 257 56, openat2 437 437, truncate 76 45",
    "times and attributes": (
        "utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88, setxattr 188 5, lsetxattr 189 6, "
        "fsetxattr 190 7, setxattrat 463 463, removexattr 197 14, lremovexattr 198 15, "
        "fremovexattr 199 16, removexattrat 466 466, file_setattr 469 469"
    ),
    "memory that no limit counts": (
        "memfd_create 319 279, memfd_secret 447 447, mq_open 240 180, shmget 29 194, shmat 30 196, "
        "shmctl 31 195, msgget 68 186, semget 64 190"
    ),
    "the kernel itself": (
        "bpf 321 280, perf_event_open 298 241, userfaultfd 323 282, keyctl 250 219, add_key 248 217, "
        "request_key 249 218"
    ),
}
CLONE, CLONE3, PRLIMIT, OPEN, OPENAT = "clone", "clone3", "prlimit64", "open", "openat"  # looked at more closely
MACHINES = {"x86_64": (1, 0xC000003E), "aarch64": (2, 0xC00000B7)}  # column above, the kernel's name for it
OTHER_NUMBERS = 0x40000000  # x86_64 has all its calls a second time from here on
THREAD = 0x10000  # of clone's flags
READ_AND_CUT, ACCESS_AND_CUT = 0x200, 0x203  # of open's flags: to read, and yet to cut to nothing
LOAD, MASK, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06  # instructions of the filter
NUMBER, ARCHITECTURE = 0, 4  # what it can load: the number of a call, the machine,
FIRST, SECOND, THIRD = 16, 24, 32  # the arguments
KILL, REFUSE, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000  # what it returns
DIE_WITH_PARENT, NO_NEW_PRIVILEGES, SECCOMP, FILTER = 1, 38, 22, 2  # prctl
CAPSET, CAPABILITIES = {"x86_64": 126, "aarch64": 91}, 0x20080522


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def known() -> bool:
    """Whether this is a Linux on a machine whose system calls stand above."""
    return sys.platform == "linux" and sys.maxsize > 1 << 32 and platform.machine() in MACHINES


def restrict() -> bool:
    """From now on this process dies with its parent, and makes none of the calls above; each fails with EPERM.

    Returns:
        Whether it is so; False where they are not known.
    """
    if not known():
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    machine, zero = platform.machine(), ctypes.c_ulong(0)
    libc.prctl(DIE_WITH_PARENT, ctypes.c_ulong(signal.SIGKILL), zero, zero, zero)
    libc.syscall(CAPSET[machine], struct.pack("Ii", CAPABILITIES, 0), bytes(24))  # root has no powers left
    libc.prctl(NO_NEW_PRIVILEGES, ctypes.c_ulong(1), zero, zero, zero)
    content = program(machine)
    filtering = _Program(len(content) // 8, content)
    return libc.prctl(SECCOMP, ctypes.c_ulong(FILTER), ctypes.byref(filtering), zero, zero) == 0


def program(machine: str) -> bytes:
    """The filter, which the kernel runs at every system call: eight bytes an instruction."""
    column, architecture = MACHINES[machine]
    calls = [call.split() for group in CALLS.values() for call in group.split(", ")]
    numbers = {call[0]: int(call[column]) for call in calls if call[column] != "-"}
    no, unknown = (RETURN, 0, 0, REFUSE | errno.EPERM), (RETURN, 0, 0, REFUSE | errno.ENOSYS)
    yes = (RETURN, 0, 0, ALLOW)
    steps = [  # (what, how many to skip if so, how many if not, with what)
        *[(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, architecture), (RETURN, 0, 0, KILL)],
        *[(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, OTHER_NUMBERS), no],
        *[(EQUAL, 0, 1, numbers.pop(CLONE3)), unknown],  # its flags cannot be seen; who meets this takes clone instead
        *[(EQUAL, 0, 4, numbers.pop(CLONE)), (LOAD, 0, 0, FIRST), (ANY_BIT, 0, 1, THREAD), yes, no],
        *[(EQUAL, 0, 4, numbers.pop(PRLIMIT)), (LOAD, 0, 0, FIRST), (EQUAL, 0, 1, 0), yes, no],  # 0: its own limits
    ]
    for number, flags in ((numbers.pop(OPEN, None), SECOND), (numbers.pop(OPENAT), THIRD)):
        if number is not None:
            cut = [(LOAD, 0, 0, flags), (MASK, 0, 0, ACCESS_AND_CUT), (EQUAL, 0, 1, READ_AND_CUT), no, yes]
            steps += [(EQUAL, 0, len(cut), number), *cut]
    for number in numbers.values():
        steps += [(EQUAL, 0, 1, number), no]
    return b"".join(struct.pack("HBBI", *step) for step in [*steps, yes])
