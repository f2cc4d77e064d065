"""install_browser.py asks apt as root, then playwright, and says in words what is still missing."""

from __future__ import annotations

import install_browser
import pytest

APT, PLAYWRIGHT = "apt-get", "playwright"


class FakeMachine(install_browser.Machine):
    """The programs that it has, and those that each command installs."""

    def __init__(self, *, has, brings, root):
        self.has, self.brings, self.root, self.asked = set(has), brings, root, []

    def has_chromium(self):
        return "chromium" in self.has

    def has_cjk_font(self):
        return "font" in self.has

    def can_use_apt(self):
        return self.root

    def run(self, command):
        name = APT if command[0] == APT else PLAYWRIGHT
        self.asked.append(name)
        self.has |= self.brings.get(name, set()) if "install" in command else set()


@pytest.mark.parametrize(
    ("has", "brings", "root", "asked", "status"),
    [
        ({"chromium", "font"}, {}, True, [], 0),
        (set(), {APT: {"chromium", "font"}}, True, [APT, APT], 0),
        (set(), {PLAYWRIGHT: {"chromium"}}, True, [APT, APT, PLAYWRIGHT], 0),  # apt has no such package
        (set(), {PLAYWRIGHT: {"chromium"}}, False, [PLAYWRIGHT], 0),
        ({"chromium"}, {}, True, [APT, APT], 0),  # no font: boxes in screenshots, but tests
        ({"font"}, {}, True, [APT, APT, PLAYWRIGHT], 1),
    ],
)
def test_what_is_missing_is_fetched_where_it_can_be(capsys, has, brings, root, asked, status):
    machine = FakeMachine(has=has, brings=brings, root=root)
    assert install_browser.main(machine) == status
    assert machine.asked == asked
    said = capsys.readouterr().err
    assert ("install the package chromium" in said) == (status == 1)
    assert ("install fonts-noto-cjk" in said) == (status == 0 and "font" not in machine.has)
