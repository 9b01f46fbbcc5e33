"""A guard that stops every connection leaving this machine: for the tests, and for the kernels that run notebooks."""

import sys

GUARDED = {"on": False}  # an audit hook cannot be taken away, only be told to look elsewhere


def on_this_machine(host: object) -> bool:
    """Whether `host` is the loopback interface (None and "" mean it too, or any interface, to getaddrinfo)."""
    name = host.decode() if isinstance(host, bytes) else host
    return name in (None, "", "localhost", "::1") or (isinstance(name, str) and name.startswith("127."))


def look(event: str, arguments: tuple) -> None:
    """Refuse what would reach another machine, by whichever function it is asked for."""
    if not GUARDED["on"] or not event.startswith("socket."):
        return
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if not isinstance(address, tuple):
            return  # a Unix socket, or one that was connected before
        host = address[0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = arguments[0]
    else:
        return
    if not on_this_machine(host):
        raise RuntimeError(f"a test tried to reach {host!r}; tests make or ship their data and use no network")


def install() -> None:
    """Guard this process from here on. Its children are not covered."""
    if "hooked" not in GUARDED:
        sys.addaudithook(look)
        GUARDED["hooked"] = True
    GUARDED["on"] = True


def uninstall() -> None:
    """Look elsewhere."""
    GUARDED["on"] = False
