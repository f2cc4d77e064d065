"""Installs a Chromium and a CJK font for the browser tests if they are missing: by apt, or by playwright."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
# for a browser that asks nobody but the page, on a machine without a screen, also as root
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """The path of a browser that is installed on this machine; None if there is none."""
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


class Machine:
    """This machine: what it has, and how something is installed on it."""

    def has_chromium(self) -> bool:
        """Whether there is a browser for the tests, on the machine or in playwright's cache."""
        if find_chromium():
            return True
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            return os.path.exists(playwright.chromium.executable_path)

    def has_cjk_font(self) -> bool:
        """Whether fontconfig lists a font with Chinese characters."""
        if not shutil.which("fc-list"):
            return False
        return bool(subprocess.run(["fc-list", ":lang=zh"], capture_output=True, text=True).stdout.strip())

    def can_use_apt(self) -> bool:
        """Whether packages of the system can be installed."""
        return hasattr(os, "geteuid") and os.geteuid() == 0 and bool(shutil.which("apt-get"))

    def run(self, command: list[str]) -> None:
        """Runs an installing command, whether it succeeds or not."""
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        quiet = {"stdout": subprocess.DEVNULL} if command[0] == "apt-get" else {}
        subprocess.run(command, env=environment, **quiet)


def main(machine: Machine | None = None) -> int:
    """Installs what is missing; returns 1, with a message, if there is no browser in the end."""
    machine = machine or Machine()
    packages = ["chromium"] * (not machine.has_chromium())
    packages += ["fonts-noto-cjk"] * (not machine.has_cjk_font())
    if packages and machine.can_use_apt():
        for command in (["update"], ["install", "-y", "--no-install-recommends", "fontconfig", *packages]):
            machine.run(["apt-get", "-qq", *command])
    if not machine.has_chromium():  # not root, or apt has no such package
        machine.run([sys.executable, "-m", "playwright", "install", "chromium"])
    if not machine.has_chromium():
        print("the browser tests need a Chromium: install the package chromium", file=sys.stderr)
        return 1
    if not machine.has_cjk_font():
        print("note: no CJK font here: screenshots will show boxes; install fonts-noto-cjk", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
