"""A guard that stops every connection leaving this machine: for the tests, and for the kernels that run notebooks."""

import socket

ORIGINAL = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex")}
RESOLVE = socket.getaddrinfo


def on_this_machine(host: object) -> bool:
    """Whether `host` is the loopback interface (None and "" mean it too, or any interface, to getaddrinfo)."""
    name = host.decode() if isinstance(host, bytes) else host
    return name in (None, "", "localhost", "::1") or (isinstance(name, str) and name.startswith("127."))


def refuse(host: object) -> None:
    """Raise a RuntimeError that names the host."""
    raise RuntimeError(f"a test tried to reach {host!r}; tests make or ship their data and use no network")


def guarded(name: str):
    """socket.connect or connect_ex, for this machine only."""

    def connection(self: socket.socket, address):
        if self.family != socket.AF_UNIX and not on_this_machine(address[0]):
            refuse(address[0])
        return ORIGINAL[name](self, address)

    return connection


def getaddrinfo(host, *args, **options):
    """socket.getaddrinfo, for this machine only; socket.create_connection looks names up here as well."""
    if not on_this_machine(host):
        refuse(host)
    return RESOLVE(host, *args, **options)


def install() -> None:
    """Guard this process. Its children are not covered."""
    for name in ORIGINAL:
        setattr(socket.socket, name, guarded(name))
    socket.getaddrinfo = getaddrinfo


def uninstall() -> None:
    """Take the guard away."""
    for name, original in ORIGINAL.items():
        setattr(socket.socket, name, original)
    socket.getaddrinfo = RESOLVE
