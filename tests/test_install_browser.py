"""install_browser.py asks apt as root, then playwright, and says in words what is still missing."""

from __future__ import annotations

from types import SimpleNamespace

import install_browser
import pytest

APT, PLAYWRIGHT = "apt-get", "playwright"


class Machine:
    """A fake machine: the programs that it has, and those that each command installs."""

    def __init__(self, monkeypatch, *, has=(), brings=None, root=True):
        self.has, self.brings, self.asked = set(has), brings or {}, []
        monkeypatch.setattr(install_browser, "has_chromium", lambda: "chromium" in self.has)
        monkeypatch.setattr(install_browser, "has_cjk_font", lambda: "font" in self.has)
        monkeypatch.setattr(install_browser, "is_root", lambda: root)
        monkeypatch.setattr(install_browser.shutil, "which", lambda name: f"/usr/bin/{name}")
        monkeypatch.setattr(install_browser.subprocess, "run", self.run)

    def run(self, command, **options):
        name = APT if command[0] == APT else PLAYWRIGHT
        self.asked.append(name)
        found = self.brings.get(name, set()) if "install" in command else set()
        self.has |= found
        return SimpleNamespace(returncode=0 if found else 100)


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
def test_what_is_missing_is_fetched_where_it_can_be(monkeypatch, capsys, has, brings, root, asked, status):
    machine = Machine(monkeypatch, has=has, brings=brings, root=root)
    assert install_browser.main() == status
    assert machine.asked == asked
    said = capsys.readouterr().err
    assert ("install the package chromium" in said) == (status == 1)
    assert ("install fonts-noto-cjk" in said) == (status == 0 and "font" not in machine.has)
