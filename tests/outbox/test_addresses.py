"""A tenant's URL reaches the public Internet, and nothing of the engine's own network."""

import pytest

from engine.outbox.webhooks.addresses import AddressRefusedError, checked_addresses, is_private, url_problems
from engine.outbox.webhooks.posting import Poster

REFUSED = [
    *("127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "192.0.2.1", "198.18.0.1"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001::1"),
]


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_on_the_public_internet_is_refused(address):
    """Loopback, private, link-local with the metadata of clouds, shared, reserved, multicast, and IPv4 inside IPv6."""
    assert is_private(address)
    with pytest.raises(AddressRefusedError, match="not on the public Internet"):
        checked_addresses("https://h.test/", lambda _host, _port: [address], allow_private=False)
    assert checked_addresses("https://h.test/", lambda _host, _port: [address], allow_private=True)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "172.32.0.1", "2606:4700::1111"])
def test_public_addresses_are_posted_to(address):
    """Also the first one beyond a private block."""
    assert not is_private(address)


def test_one_private_address_of_a_host_is_enough_to_refuse_it():
    """Otherwise the second try would reach it."""
    with pytest.raises(AddressRefusedError):
        checked_addresses("http://h.test", lambda *_: ["8.8.8.8", "10.0.0.1"], allow_private=False)


def test_numbers_that_stand_for_an_address_are_looked_up_like_names():
    """2130706433 is 127.0.0.1 to a resolver."""
    result = Poster(allow_private=False)("http://2130706433/", {}, b"")
    assert result.status is None


def test_a_name_that_changes_its_mind_reaches_nothing():
    """The address is looked at again at each post, and the post goes to the one that was looked at."""
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])
    url = "http://h.test:9/"
    assert checked_addresses(url, lambda *_: next(answers), allow_private=False) == ["8.8.8.8"]
    result = Poster(allow_private=False, look_up=lambda *_: next(answers))(url, {}, b"")
    assert (result.status, "not on the public Internet" in result.error) == (None, True)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://h.test/", "must begin with"),
        ("file:///etc/passwd", "must begin with"),
        ("https:///x", "names no host"),
        ("https://user:secret@h.test/", "neither user nor password"),
        ("https://h.test/#x", "no fragment"),
        ("https://h.test:0/", "port 0"),
        ("https://h.test:99999/", "no URL"),
        ("https://h.test/a b", "printable ASCII"),
        ("https://h.test/\r\nhost: x", "printable ASCII"),
        ("", "must begin with"),
    ],
)
def test_a_url_that_is_none_is_refused_with_what_is_wrong(url, problem):
    """In words for whoever typed it."""
    assert any(problem in each for each in url_problems(url))


def test_an_ordinary_url_has_no_problem():
    """With a port, a path and a query."""
    assert list(url_problems("https://h.test:8443/hooks?team=a")) == []
