"""Who may ask: this machine's own pages, and whoever brings the token."""

import pytest
from starlette.datastructures import Headers

from ctexp.service.guard import Access, is_loopback

TOKEN = "0123456789abcdef" * 2


def outcome(access: Access, path: str = "/predict", **headers: str) -> int:
    """The status that a request with these headers is refused with; 200 for none."""
    refusal = access.refusal(path, Headers({key.replace("_", "-"): value for key, value in headers.items()}))
    return refusal.status if refusal else 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]", "LOCALHOST"])
def test_own_addresses_are_loopback(host) -> None:
    """Every spelling of this machine for itself needs no token."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "localhost.example.org", "127.0.0.1.example.org", ""])
def test_other_addresses_are_not_loopback(host) -> None:
    """What others may reach, or may have named, is not taken for this machine."""
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["evil.example.org", "evil.example.org:8080", "", "[::1", "127.0.0.1@evil.org"])
def test_rebound_name_is_refused(host) -> None:
    """A page whose name was made to point at this machine has that name in Host, and gets nothing."""
    assert outcome(Access(), host=host) == 403


def test_another_sites_page_is_refused() -> None:
    """A form or script of another site, or of another port here, gets nothing; the service's own page does."""
    own = "127.0.0.1:8080"
    assert outcome(Access(), host=own, origin="http://127.0.0.1:8080") == 200
    for origin in ("http://evil.example.org", "http://127.0.0.1:3000", "null", "http://[::1"):
        assert outcome(Access(), host=own, origin=origin) == 403
    assert outcome(Access(), host=own, sec_fetch_site="cross-site") == 403


def test_a_link_elsewhere_leads_to_the_page() -> None:
    """Who clicks on the service's address in a wiki or a mail gets the page, and only that."""
    clicked = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    for access, host in ((Access(), "localhost:8080"), (Access(TOKEN), "ct.example.org")):
        assert outcome(access, "/", host=host, **clicked) == 200
        assert outcome(access, "/predict", host=host, **clicked) == 403
        assert outcome(access, "/", host=host, sec_fetch_site="cross-site", sec_fetch_mode="no-cors") == 403
        assert outcome(access, "/", host=host, origin="http://evil.example.org", **clicked) == 403
    assert outcome(Access(), "/", host="evil.example.org", **clicked) == 403


def test_token_is_asked_for_where_a_scan_is() -> None:
    """Only the right token opens, whatever the name; page and health need none."""
    access = Access(TOKEN)
    assert outcome(access, host="ct.example.org", authorization=f"Bearer {TOKEN}") == 200
    for given in ("", TOKEN, f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}0", "Bearer ü"):
        assert outcome(access, host="ct.example.org", authorization=given) == 401
        assert outcome(access, "/metrics", host="ct.example.org", authorization=given) == 401
    assert outcome(access, "/", host="ct.example.org") == 200
    assert outcome(access, "/healthz", host="ct.example.org") == 200
    assert TOKEN not in repr(access)
