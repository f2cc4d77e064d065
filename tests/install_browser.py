"""Brings a Chromium and a CJK font where the browser tests find none: by apt as root, else by playwright."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """The path of a browser of this machine, if it has one."""
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


def has_playwright_chromium() -> bool:
    """Whether playwright has fetched a browser of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return os.path.exists(playwright.chromium.executable_path)


def has_chromium() -> bool:
    """Whether the browser tests have something to drive."""
    return bool(find_chromium()) or has_playwright_chromium()


def is_root() -> bool:
    """Whether packages of the system may be installed."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def has_cjk_font() -> bool:
    """Whether fontconfig knows a font with Chinese characters."""
    if not shutil.which("fc-list"):
        return False
    return bool(subprocess.run(["fc-list", ":lang=zh"], capture_output=True, text=True).stdout.strip())


def main() -> int:
    """Installs what is missing; fails, naming it, if there is no browser in the end."""
    packages = ["chromium"] * (not has_chromium()) + ["fonts-noto-cjk"] * (not has_cjk_font())
    if packages and is_root() and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", "fontconfig", *packages]):
            subprocess.run(["apt-get", "-qq", *command], env=environment, stdout=subprocess.DEVNULL)
    if not has_chromium():  # no root, or apt knows no such package
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"])
    if not has_chromium():
        print("the browser tests need a Chromium: install the package chromium", file=sys.stderr)
        return 1
    if not has_cjk_font():
        print("note: no CJK font here: screenshots will show boxes; install fonts-noto-cjk", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
