"""What every test can rely on: checked shapes, one thread, no network, and fresh numbers that can be drawn again."""

import os
import secrets
import zlib
from pathlib import Path

import jaxtyping

# Before any import of the package: from here on, each call in it is checked against its annotations, shapes included,
# which doubles the time: `make test` sets JAXTYPING_DISABLE for most of the tests, `make test-all` for none. What
# students return may be anything, and its checks are called a million times: of these mypy must know enough.
PACKAGE = Path(__file__).parents[1] / "smatch_edu"
PARTS = [f"smatch_edu.{path.stem}" for path in PACKAGE.iterdir() if path.stem not in ("__init__", "checks")]
if not jaxtyping.config.jaxtyping_disable:
    jaxtyping.install_import_hook(PARTS, "beartype.beartype")

import hypothesis  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

import no_network  # noqa: E402

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


@pytest.fixture(scope="session", autouse=True)
def guarded_network():
    """Fail a test that would leave this machine."""
    no_network.install()
    yield
    no_network.uninstall()
