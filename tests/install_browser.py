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


def has_cjk_font() -> bool:
    """Whether fontconfig knows a font with Chinese characters."""
    if not shutil.which("fc-list"):
        return False
    return bool(subprocess.run(["fc-list", ":lang=zh"], capture_output=True, text=True).stdout.strip())


def main() -> int:
    """Installs what is missing; fails, naming it, if it cannot."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    wants_browser = not find_chromium() and not has_playwright_chromium()
    packages = ["chromium"] * wants_browser + ["fonts-noto-cjk"] * (not has_cjk_font())
    if packages and is_root and shutil.which("apt-get"):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", "fontconfig", *packages]):
            subprocess.run(
                ["apt-get", "-qq", *command], check=True, env=environment, stdout=subprocess.DEVNULL
            )
    elif wants_browser:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)
    if not find_chromium() and not has_playwright_chromium():
        print("the browser tests need a Chromium: install the package chromium", file=sys.stderr)
        return 1
    if not has_cjk_font():
        print("note: no CJK font here: screenshots will show boxes; install fonts-noto-cjk", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
