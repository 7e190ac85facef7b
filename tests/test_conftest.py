"""The browser fixture itself."""

import pytest


@pytest.mark.browser
@pytest.mark.slow
def test_the_browser_sees_the_page_and_its_colour_scheme(chromium, tmp_path):
    import numpy as np
    from PIL import Image

    page = tmp_path / "page.html"
    page.write_text(
        "<style>body{background:#fff}"
        "@media (prefers-color-scheme:dark){body{background:#000}}</style><p>hello"
    )
    assert "<p>hello" in chromium.dump_dom(page)
    drawn = {}
    for dark in (False, True):
        png = chromium.screenshot(page, tmp_path / f"{dark}.png", 300, height=200, dark=dark)
        drawn[dark] = np.asarray(Image.open(png).convert("L"))
    assert drawn[False].shape == (200, 300)
    assert drawn[False].mean() > 200
    assert drawn[True].mean() < 50
