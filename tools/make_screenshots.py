"""Makes the pictures of the README: the page in a browser, and the commands in a terminal.

Everything in them is real: the page is that of `python app.py`, and the commands are run in a terminal of
this program (which needs Linux or macOS). The poems are always the same, because their seeds are.

python tools/make_screenshots.py
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
import struct
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT), str(ROOT / "benchmarks"), str(ROOT / "tests")]
from install_browser import FLAGS, find_chromium  # noqa: E402

from poet_model.errors import command  # noqa: E402

FOLDER = ROOT / "assets" / "screenshots"
PAGES = {  # of the page: width and height in CSS pixels, and what else a browser's window has
    "page-wide": {"viewport": {"width": 1280, "height": 818}},
    "page-dark": {"viewport": {"width": 1280, "height": 818}, "color_scheme": "dark"},
    "page-phone": {"viewport": {"width": 390, "height": 832}, "is_mobile": True, "has_touch": True},
}
SESSION = (  # what is typed in the terminal
    "poet write 春 --form 七絕 --rhyme 東 --tones --best-of 8 --seed 7 | poet judge",
    "echo 牀前看月光，疑是地上霜。舉頭望山月，低頭思故鄉。 | poet judge",
)
COLUMNS, LINES = 100, 40
COLOURS = 128  # of a picture
STYLES = {"1": "bold", "2": "dim", "31": "red"}  # the parameters of the escape sequence SGR that poet uses
COLOUR = re.compile(r"(\x1b\[[\d;]*m)")
DOT = "·"  # takes one column of a terminal, but the font makes it as wide as a hanzi
TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body { margin: 0; width: max-content; background: #1d1f24; }
pre { margin: 0; padding: 22px 28px; color: #dfe1e6; font: 15px/1.5 "Noto Sans Mono CJK TC", monospace; }
.prompt { color: #7fb37a; } .typed { color: #fff; font-weight: bold; }
.narrow { display: inline-block; width: 1ch; text-indent: -.5ch; }
.bold { font-weight: bold; } .dim { color: #9197a3; } .red { color: #f0716b; }
</style><pre lang="zh-Hant">%s</pre>"""


def run_in_terminal(line: str, folder: Path) -> str:
    """What a command line prints on a terminal, with its escape sequences.

    Args:
        line: a line for the shell, in which `poet` is the command of this clone.
        folder: a new cache for it, so that what this user has does not show.
    """
    import fcntl
    import pty
    import termios

    environment = os.environ | {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "POET_CACHE": str(folder)}
    environment |= {"HF_HUB_OFFLINE": "1", "COLUMNS": str(COLUMNS)}
    environment.pop("NO_COLOR", None)
    poet = f'poet() {{ {shlex.quote(sys.executable)} -m poet_model "$@"; }}; '
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    streams = {"stdin": subprocess.DEVNULL, "stdout": its, "stderr": subprocess.PIPE}
    with subprocess.Popen(["sh", "-c", poet + line], env=environment, **streams) as process:
        os.close(its)
        printed = b""
        while part := read(ours):
            printed += part
        said = process.stderr.read()
    os.close(ours)
    if process.returncode:
        sys.exit(f"{line} failed:\n{said.decode('utf-8', 'replace')}")
    return printed.decode("utf-8").replace("\r\n", "\n")


def read(terminal: int) -> bytes:
    """The next output of a terminal; nothing at its end, which Linux reports as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def html_of(printed: str) -> str:
    """The output of a terminal as HTML, with a span for each stretch that has a colour.

    Raises:
        ValueError: it has an escape sequence that is not in STYLES.
    """
    html, style = [], ""
    for part in COLOUR.split(printed):
        if COLOUR.fullmatch(part):
            style = part[2:-1].strip("0")
            if style and style not in STYLES:
                raise ValueError(f"{part!r} has no style in STYLES")
        elif "\x1b" in part:
            raise ValueError(f"{part!r} has an escape sequence that is no colour")
        elif part:
            html.append(f'<span class="{STYLES[style]}">{escape(part)}</span>' if style else escape(part))
    return "".join(html).replace(DOT, f'<span class="narrow">{DOT}</span>')


def terminal_html(printed: dict[str, str]) -> str:
    """A page that looks like a terminal.

    Args:
        printed: the command lines, and what each of them printed.
    """
    typed = '<span class="prompt">$ </span><span class="typed">{}</span>\n{}'
    return TERMINAL % "\n".join(typed.format(escape(line), html_of(text)) for line, text in printed.items())


def save(png: bytes, path: Path) -> None:
    """Writes a picture with few colours, which makes its file small."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture = picture.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, optimize=True)
    print(f"written: {path}, {picture.width} x {picture.height}, {path.stat().st_size / 1000:.0f} kB")


def picture_of_page(browser, url: str, **window) -> bytes:
    """The page as a visitor finds it, with the report of the first poem unfolded."""
    context = browser.new_context(device_scale_factor=2, **window)
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#curves canvas, #curves svg", timeout=60_000)
    page.locator("#poem summary").click(timeout=60_000)
    page.mouse.move(0, 0)
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(1000)  # the curves fade in
    picture = page.screenshot()
    context.close()
    return picture


def picture_of_terminal(browser, printed: dict[str, str]) -> bytes:
    """The terminal after its commands."""
    context = browser.new_context(device_scale_factor=2)
    page = context.new_page()
    page.set_content(terminal_html(printed))
    page.evaluate("document.fonts.ready")
    picture = page.locator("body").screenshot()
    context.close()
    return picture


@command
def main() -> None:
    """Makes all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=FOLDER, metavar="FOLDER", help="default: %(default)s")
    options = parser.parse_args()
    from page_client import PageProcess
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as cache:
        printed = {line: run_in_terminal(line, Path(cache)) for line in SESSION}
    with PageProcess(ROOT / "app.py") as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        for name, window in PAGES.items():
            save(picture_of_page(browser, server.url, **window), options.output / f"{name}.png")
        save(picture_of_terminal(browser, printed), options.output / "terminal.png")
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
