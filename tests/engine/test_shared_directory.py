"""The data directory as gateways share it, and the URL of the store that it belongs to."""

import json

import pytest

from engine.cluster.data_directory import open_data_directory, open_shared_data_directory, start_turn_in
from engine.cluster.deployment import FORMAT
from engine.errors import StartupError
from engine.usage.store.backends.server_address import read_server_address

HERE, THERE = "http://here:8123/metering", "http://there:8123/metering"


def _complete(directory):
    (directory.path / "catalog.sqlite").touch()
    directory.mark_complete()


def test_gateways_share_a_directory_and_the_first_knows_that_it_is_alone(tmp_path):
    """Whoever comes when nobody else lives settles what is left; an embedded engine is kept out meanwhile."""
    with open_shared_data_directory(tmp_path / "d", HERE) as first:
        _complete(first)
        assert first.alone
        with open_shared_data_directory(tmp_path / "d", HERE) as second:
            assert not second.alone
        with (
            pytest.raises(StartupError, match=r"is open in another engine \(process \d+\)"),
            open_data_directory(tmp_path / "d"),
        ):
            pass
    with open_shared_data_directory(tmp_path / "d", HERE) as third:
        assert third.alone


def test_an_embedded_engine_keeps_gateways_out(tmp_path):
    """It has the directory for itself."""
    with (
        open_data_directory(tmp_path / "d"),
        pytest.raises(StartupError, match="is open in another engine"),
        open_shared_data_directory(tmp_path / "d", HERE),
    ):
        pass


def test_a_directory_belongs_to_one_usage_store(tmp_path):
    """Started the other way, or with another server, it is refused with what to do; an older engine is told by the
    number of the format.
    """
    with open_shared_data_directory(tmp_path / "shared", HERE) as shared:
        _complete(shared)
    with (
        pytest.raises(
            StartupError, match=f"belongs to another usage store .*start with --usage-store {HERE}"
        ),
        open_shared_data_directory(tmp_path / "shared", THERE),
    ):
        pass
    with (
        pytest.raises(StartupError, match=f"start with --usage-store {HERE}"),
        open_data_directory(tmp_path / "shared"),
    ):
        pass
    assert json.loads((tmp_path / "shared" / "format.json").read_text()) == {
        "format": FORMAT,
        "usage_store": HERE,
    }
    with open_data_directory(tmp_path / "embedded") as embedded:
        (embedded.path / "usage").mkdir()
        _complete(embedded)
    assert json.loads((tmp_path / "embedded" / "format.json").read_text()) == {"format": FORMAT}
    with (
        pytest.raises(StartupError, match="start without --usage-store"),
        open_shared_data_directory(tmp_path / "embedded", HERE),
    ):
        pass


def test_gateways_start_one_after_the_other(tmp_path, monkeypatch):
    """A second waits for its turn, and says so when the first takes too long."""
    monkeypatch.setattr("engine.cluster.locks._START_TIMEOUT_S", 0.2)
    with (
        start_turn_in(tmp_path),
        pytest.raises(StartupError, match="another gateway has been starting for"),
        start_turn_in(tmp_path),
    ):
        pass
    with start_turn_in(tmp_path):
        pass


def test_a_url_names_the_server_and_shows_no_password():
    """Percent-encoded user and password, defaults for port and database, times in the query."""
    address = read_server_address("https://me:a%2Fb%40c@db.example/m2?insert_timeout_s=5&lease_s=30")
    assert (address.interface, address.host, address.port, address.database) == (
        "https",
        "db.example",
        8443,
        "m2",
    )
    assert (address.user, address.password) == ("me", "a/b@c")
    assert (address.patience.insert_timeout_s, address.patience.lease_s) == (5, 30)
    assert address.shown == "https://db.example:8443/m2"
    assert "a/b@c" not in repr(address)
    plain = read_server_address("http://[::1]")
    assert (plain.host, plain.port, plain.database, plain.user, plain.password) == (
        "::1",
        8123,
        "meterline",
        "default",
        "",
    )
    assert plain.shown == "http://[::1]:8123/meterline"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("tcp://u:s3cret@host:9000", "is not a URL of a ClickHouse server"),
        ("http://u:s3cret/x@host", "can't be read"),
        ("http://u:s3cret@/x", "is not a URL"),
        ("http://u:s3cret@host:99999", "can't be read"),
        ("http://u:s3cret@host/a;b", "must be letters, digits and _"),
        ("http://u:s3cret@host/?timeout=3", "it may set answer_margin_s, connect_timeout_s"),
        ("http://u:s3cret@host/?lease_s=-3", "in whole seconds"),
        (
            "http://u:s3cret@host/?lease_s=46",
            "lease_s must be greater than 46, the longest that an insert may take",
        ),
        ("http://u:s3cret@host/?connect_timeout_s=0", "must be at least 1"),
    ],
)
def test_a_url_that_names_no_server_is_refused_without_repeating_it(url, why):
    """One line that says what is wrong."""
    with pytest.raises(ValueError, match=why) as refused:
        read_server_address(url)
    assert "s3cret" not in str(refused.value)
    assert "\n" not in str(refused.value)
