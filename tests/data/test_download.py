"""Downloads of TFDS data sets end soon where there is no network."""

import time
import types

import pytest
import urllib3

from agave_tf.data.tfds_preparation import download


class Remote:
    """A builder whose files are on a server that is not reached."""

    data_dir = "nowhere"
    info = types.SimpleNamespace(full_name="remote/1.0.0")

    def __init__(self, proxy=None):
        self.proxy = proxy

    def is_prepared(self):
        return False

    def download_and_prepare(self):
        # As TFDS asks a server (download/downloader.py).
        retry = urllib3.Retry(total=10, backoff_factor=0.1)
        pool = urllib3.ProxyManager(self.proxy) if self.proxy else urllib3.PoolManager()
        pool.request("GET", "http://agave.invalid/file", retries=retry)


@pytest.mark.parametrize("proxy", [None, "http://agave-proxy.invalid:1"])
def test_a_download_without_a_network_says_so_at_once_and_ends_soon(proxy, caplog):
    """It took 3 minutes, with a warning of urllib3 for each of 10 retries."""
    caplog.set_level("INFO", logger="absl")
    began = time.monotonic()
    with pytest.raises(ConnectionError, match=r"not reached: .*invalid"):
        download(Remote(proxy))
    assert time.monotonic() - began < 20
    assert "Downloading remote/1.0.0, which is not in nowhere yet" in caplog.text
    assert "Retrying" not in caplog.text
