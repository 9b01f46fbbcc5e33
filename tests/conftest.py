"""What every test can rely on: checked shapes, one thread, no network, and fresh numbers that can be drawn again."""

import os
import secrets
import socket
import zlib

import jaxtyping

# Before any import of the package: from here on, each call in it is checked against its annotations, shapes included.
jaxtyping.install_import_hook("smatch_edu", "beartype.beartype")

import hypothesis  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

os.environ["MPLBACKEND"] = "Agg"  # figures without windows
torch.set_num_threads(1)  # the same seed gives the same floats only for the same number of threads

hypothesis.settings.register_profile("smatch_edu", deadline=None, derandomize=False, print_blob=True)
hypothesis.settings.load_profile("smatch_edu")

SEED = int(os.environ.get("SMATCH_TEST_SEED") or secrets.randbits(32))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """New numbers in each run and each test; a failing test shows the seed with which to draw its numbers again."""
    print(f"rng: SMATCH_TEST_SEED={SEED} draws these numbers again")
    return np.random.default_rng([SEED, zlib.crc32(request.node.nodeid.encode())])


def on_this_machine(host: object) -> bool:
    """Whether `host` is the loopback interface (None and "" mean it too, or any interface, to getaddrinfo)."""
    name = host.decode() if isinstance(host, bytes) else host
    return name in (None, "", "localhost", "::1") or (isinstance(name, str) and name.startswith("127."))


@pytest.fixture(scope="session", autouse=True)
def no_network():
    """Fail a test that would leave this machine. Child processes are not covered."""
    original = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex")}
    resolve = socket.getaddrinfo

    def refuse(host: object) -> None:
        raise RuntimeError(f"a test tried to reach {host!r}; tests make or ship their data and use no network")

    def guarded(name: str):
        def connection(self: socket.socket, address):
            if self.family != socket.AF_UNIX and not on_this_machine(address[0]):
                refuse(address[0])
            return original[name](self, address)

        return connection

    def getaddrinfo(host, *args, **options):
        if not on_this_machine(host):
            refuse(host)
        return resolve(host, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        for name in original:
            patch.setattr(socket.socket, name, guarded(name))
        patch.setattr(socket, "getaddrinfo", getaddrinfo)  # socket.create_connection looks names up here as well
        yield
