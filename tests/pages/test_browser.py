"""The spend page in a real browser: what changes on the screen, who can use it, and what it asks of whom."""

import pytest

from tests.support.pages.browser import says

WEIGHT_BYTES_MAX = 150_000


def test_the_total_changes_on_the_screen_within_a_second_of_the_ack(visit, world):
    """The fastest of five, for the machine may be busy: 20.00 for August, and 1.00 for every 100 tokens. The reader's place stays: the focus where it was."""
    tab = visit()
    tab.open(query="at=2025-08-10")
    says(tab, ".due", "€20.00")
    says(tab, "#connection", "Updates by itself.")
    tab.page.focus(".why >> nth=1")
    waited = []
    for number in range(1, 6):
        acked_s = world.record("acme", "100", 1_754_784_000)
        waited.append(says(tab, ".due", f"€{20 + number}.00") - acked_s)
    print("on the screen after", ", ".join(f"{each:.3f} s" for each in waited))
    assert min(waited) < 1
    assert tab.page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Why? generated")
    assert "500 tokens €5.00" in tab.text()
    assert tab.complaints == []


def test_a_link_shows_one_customer_and_leaves_the_address(visit, world):
    """Nothing of another is on the screen, and no script can read the token."""
    tab = visit()
    assert tab.open().status == 200
    assert tab.page.url == f"{world.origin}/spend?at=2025-06-10"
    assert "Acme <b>Robotics</b>" in tab.text()
    assert not any(word in tab.text() for word in ("Bolt", "77,777"))
    assert tab.page.evaluate("document.cookie") == ""
    # What is another's is refused by its address, too.
    assert tab.go("/spend/events?customer_id=bolt").status == 403


def test_an_expired_or_changed_link_says_in_a_line_what_to_do(visit, world):
    """And shows no figure."""
    good = world.link().token
    for token, words in (
        (world.expired_token(), "the link has expired: ask for a new one"),
        (
            good[:60] + ("x" if good[60] != "x" else "y") + good[61:],
            "the link is not valid: ask for a new one",
        ),
    ):
        tab = visit()
        assert tab.go(f"/spend?token={token}").status == 401
        assert tab.page.inner_text("h1") == "This link can't be used"
        assert tab.page.inner_text(".message") == words
        assert "€" not in tab.text()


def test_nothing_leaves_the_origin_and_a_first_visit_is_light(visit, world):
    """Page, style, scripts and icon, as they travel."""
    tab = visit()
    tab.open()
    says(tab, ".due", "€31.25")
    says(tab, "#connection", "Updates by itself.")
    assert [each for each in tab.urls if not each.startswith(f"{world.origin}/spend")] == []
    print(f"a first visit: {len(tab.urls)} requests, {tab.nbytes:,} bytes")
    assert 10_000 < tab.nbytes < WEIGHT_BYTES_MAX
    assert tab.complaints == []


@pytest.mark.parametrize(
    ("customer_id", "path", "options"),
    [
        ("acme", "", {}),
        ("acme", "", {"color_scheme": "dark"}),
        ("acme", "", {"width": 360, "height": 740, "language": "de-DE"}),
        ("empty", "", {"color_scheme": "dark"}),
        ("rich", "", {"width": 360, "height": 740}),
        ("acme", "line", {}),
        ("capped", "now", {}),
        ("capped", "now", {"color_scheme": "dark", "width": 360, "height": 740, "language": "de-DE"}),
        ("acme", "/spend?token=mls_x", {"color_scheme": "dark"}),
    ],
    ids=["light", "dark", "phone", "empty", "rich", "line", "form", "form on a phone", "refused"],
)
def test_axe_finds_no_serious_fault(visit, customer_id, path, options):
    """By eye, by keyboard and by ear."""
    tab = visit(**options)
    if path == "now":
        tab.open(customer_id, query="", may_set_budget=True)
        assert tab.page.locator("form").count() == 1
        assert tab.page.locator("progress").count() >= 2
    else:
        tab.open(customer_id)
    if path == "line":
        tab.page.click(".why >> nth=1")
        tab.page.wait_for_selector(".sentences li")
    elif path.startswith("/"):
        tab.go(path)
    assert tab.faults() == []


def test_axe_sees_faults_that_are_put_there(visit):
    """What finds none on the page does look."""
    tab = visit()
    tab.open("empty")
    says(tab, "#connection", "Updates by itself.")
    tab.page.evaluate(
        "document.documentElement.removeAttribute('lang'); document.querySelector('.empty').style.color = '#bbb'"
    )
    assert {rule for rule, *_ in tab.faults()} >= {"html-has-lang", "color-contrast"}


@pytest.mark.parametrize(
    ("width", "scale"), [(360, 1), (640, 2), (320, 4)], ids=["phone", "zoom 200 %", "zoom 400 %"]
)
def test_nobody_scrolls_sideways(visit, width, scale):
    """On a phone, and in a window of 1,280 px that is zoomed, with every table open."""
    tab = visit(width=width, device_scale_factor=scale, language="de-DE")
    tab.open()
    tab.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert tab.overflow_px() <= 0


def test_the_keyboard_alone_reaches_everything(visit):
    """In the order of the page, each with an outline that is seen; the tables of charts open by Enter."""
    tab = visit()
    tab.open()
    says(tab, "#connection", "Updates by itself.")
    wanted = tab.page.evaluate(
        "[...document.querySelectorAll('a[href], summary, [tabindex=\"0\"]')].filter((each) => each.checkVisibility()).length"
    )
    seen = []
    for _ in range(wanted):
        tab.page.keyboard.press("Tab")
        seen.append(
            tab.page.evaluate(
                """() => {
                  const all = [...document.querySelectorAll('*')];
                  const style = getComputedStyle(document.activeElement);
                  return [all.indexOf(document.activeElement), style.outlineStyle !== 'none' && style.outlineWidth !== '0px'];
                }"""
            )
        )
    places = [place for place, _ in seen]
    assert (len(set(places)), places) == (wanted, sorted(places))
    assert all(outlined for _, outlined in seen)
    tab.page.focus("summary >> nth=0")
    tab.page.keyboard.press("Enter")
    assert tab.page.is_visible("#usage-1 caption")
    # The first stop leads past what repeats.
    tab.page.focus(".skip")
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.id") == "main"


def test_without_javascript_the_figures_and_tables_are_there(visit):
    """And the page says what is missing."""
    tab = visit(java_script_enabled=False)
    tab.open()
    said = tab.text()
    assert "€31.25" in said
    assert "Without JavaScript this page doesn't update by itself" in said
    assert "Jun 10, 2025 1,500" in said
    assert tab.page.locator("table").count() == 4


def test_a_screen_reader_hears_the_total_and_finds_its_way(visit):
    """Landmarks, a heading for each part, a caption for each table, and a region that says the total when it changes."""
    tab = visit()
    tab.open()
    says(tab, ".due", "€31.25")
    says(tab, "#announced", "Due so far: €31.25")
    assert tab.page.get_attribute("#announced", "aria-live") == "polite"
    for role in ("banner", "main", "contentinfo"):
        assert tab.page.get_by_role(role).count() == 1
    assert tab.page.locator("section[aria-labelledby]").count() == tab.page.locator("section").count() >= 5
    assert tab.page.locator("table > caption").count() == tab.page.locator("table").count()


def test_a_page_that_is_open_says_when_its_link_ends(visit, world):
    """Here with the key that made it: the figures stay, and nothing new is shown."""
    key, token = world.link_of_a_key("acme")
    tab = visit()
    tab.go(f"/spend?token={token}&at=2025-09-10")
    says(tab, "#connection", "Updates by itself.")
    world.revoke(key)
    world.record("acme", "100", 1_757_462_400)
    says(tab, "#connection", "This link holds no longer. Ask whoever gave it to you for a new one.")
    assert tab.page.inner_text(".due") == "€20.00"


def test_a_page_goes_on_no_other_customer_s_figures(visit, world):
    """Another customer's link in the same browser takes the cookie: a page that connects again is told so."""
    tab = visit()
    tab.open("empty")
    says(tab, "#connection", "Updates by itself.")
    tab.go(f"/spend?token={world.link('bolt').token}")
    events = "/spend/events?customer_id=empty"
    assert tab.page.evaluate("url => fetch(url).then((each) => each.status)", events) == 403
    assert tab.page.evaluate("url => fetch(url, {method: 'HEAD'}).then((each) => each.status)", events) == 403
