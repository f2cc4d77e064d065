"""Fixtures for several test modules: a tiny model, the shipped model, a test Hub and a temporary HF_HOME."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

# huggingface_hub reads these variables on import. All tests use the Hub of hub_server.py and no other.
HUB_SOCKET = socket.socket(proto=socket.IPPROTO_TCP)  # only then does asyncio set TCP_NODELAY
HUB_SOCKET.bind(("127.0.0.1", 0))
HUB_ENDPOINT = "http://127.0.0.1:{1}".format(*HUB_SOCKET.getsockname())
HF_HOME = tempfile.mkdtemp(prefix="hf-home-")
atexit.register(shutil.rmtree, HF_HOME, ignore_errors=True)
os.environ |= {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_ENDPOINT": HUB_ENDPOINT,
    "HF_HOME": HF_HOME,
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",  # use LFS; the tests of Xet enable it themselves
    "NO_PROXY": "127.0.0.1,localhost",
}
if "PYTEST_XDIST_WORKER" in os.environ:  # `make test` starts one process per core
    os.environ.setdefault("OMP_NUM_THREADS", "1")
for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
    os.environ.pop(name, None)

pytest_plugins = ["bulk_fixtures", "char_lm_models", "corpus_texts", "offline_fixtures", "pasted_fixtures"]

ROOT = Path(__file__).resolve().parent.parent
# the settings of from_scratch, which has no others
SETTINGS_OF_THE_COURSE = {"temperature": 0.8, "top_k": 40, "top_p": 1, "distinct_rhymes": False}
SHIPPED = ROOT / "assets" / "tang-lstm"
POEMS = (
    "牀前看月光，疑是地上霜。舉頭望山月，低頭思故鄉。",
    "春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少。",
    "白日依山盡，黃河入海流。欲窮千里目，更上一層樓。",
    "故人西辭黃鶴樓，煙花三月下揚州。孤帆遠影碧山盡，唯見長江天際流。",
)


@pytest.fixture(scope="session")
def running_hub():
    """The test Hub, which answers at HF_ENDPOINT."""
    from hub_server import HubServer

    with HubServer(HUB_SOCKET) as hub:
        yield hub


@pytest.fixture
def hub(running_hub):
    """The test Hub, emptied."""
    running_hub.reset()
    return running_hub


@pytest.fixture(scope="session")
def tokenizer():
    """A tokenizer with the characters of the four POEMS."""
    from poet_model import PoetTokenizer

    return PoetTokenizer.from_texts(POEMS, min_count=1, required="，。五七絕律李白")


@pytest.fixture
def tiny_model(tokenizer):
    """An untrained model with 16 hidden units and fixed random weights."""
    import torch

    from poet_model import PoetConfig, PoetModel

    torch.manual_seed(0)
    config = PoetConfig(vocab_size=len(tokenizer), hidden_size=16, num_layers=2)
    model = PoetModel(config, tokenizer).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.5, 0.5)
    return model


@pytest.fixture(scope="session")
def poet():
    """The shipped model as a Poet for the page, without an index."""
    from poet_model import PoetModel
    from poet_model.ui.poet import Poet

    return Poet("tang-lstm", SHIPPED, PoetModel.from_pretrained(SHIPPED))
