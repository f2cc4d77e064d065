"""The colours and fonts of the page, as a Gradio theme. No font is downloaded."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

CSS = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
SERIF = ["Noto Serif CJK TC", "Source Han Serif TC", "Songti TC", "Songti SC", "STSong", "SimSun", "serif"]
SANS = [
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Noto Sans CJK TC",
    "PingFang TC",
    "Microsoft YaHei",
    "sans-serif",
]

PAPER, SHEET, INK, FADED, RULE, VERMILION = "#f5efe2", "#fbf8f0", "#231d16", "#665c4e", "#ddd3bf", "#a8321f"
NIGHT, SLATE, CHALK, DUST, SEAM, EMBER = "#16140f", "#1e1b15", "#ece4d2", "#b3a892", "#3a352b", "#e5735c"


COLOURS = {  # (light, dark)
    "body_background_fill": (PAPER, NIGHT),
    "body_text_color": (INK, CHALK),
    "body_text_color_subdued": (FADED, DUST),
    "background_fill_primary": (PAPER, NIGHT),
    "background_fill_secondary": (SHEET, SLATE),
    "block_background_fill": ("transparent", "transparent"),
    "block_border_color": (RULE, SEAM),
    "block_label_background_fill": ("transparent", "transparent"),
    "block_label_text_color": (FADED, DUST),
    "block_title_text_color": (INK, CHALK),
    "block_info_text_color": (FADED, DUST),
    "border_color_primary": (RULE, SEAM),
    "border_color_accent": (VERMILION, EMBER),
    "color_accent_soft": (SHEET, SLATE),
    "input_background_fill": (SHEET, SLATE),
    "input_border_color": (RULE, SEAM),
    "input_border_color_focus": (VERMILION, EMBER),
    "input_placeholder_color": (FADED, DUST),
    "slider_color": (VERMILION, EMBER),
    "link_text_color": (VERMILION, EMBER),
    "link_text_color_hover": (INK, CHALK),
    "link_text_color_visited": (VERMILION, EMBER),
    "link_text_color_active": (VERMILION, EMBER),
    "button_primary_background_fill": (VERMILION, EMBER),
    "button_primary_background_fill_hover": ("#8c2817", "#f08a75"),
    "button_primary_border_color": (VERMILION, EMBER),
    "button_primary_text_color": ("#ffffff", "#1a0f0b"),
    "button_secondary_background_fill": (SHEET, SLATE),
    "button_secondary_background_fill_hover": (RULE, SEAM),
    "button_secondary_border_color": (RULE, SEAM),
    "button_secondary_text_color": (INK, CHALK),
    "checkbox_background_color": (SHEET, SLATE),
    "checkbox_background_color_selected": (VERMILION, EMBER),
    "checkbox_border_color": (FADED, DUST),
    "checkbox_border_color_selected": (VERMILION, EMBER),
    "checkbox_label_background_fill": ("transparent", "transparent"),
    "checkbox_label_background_fill_hover": (SHEET, SLATE),
    "checkbox_label_background_fill_selected": (SHEET, SLATE),
    "checkbox_label_text_color": (INK, CHALK),
    "checkbox_label_text_color_selected": (INK, CHALK),
    "checkbox_label_border_color": (RULE, SEAM),
    "table_border_color": (RULE, SEAM),
    "table_even_background_fill": (SHEET, SLATE),
    "table_odd_background_fill": (PAPER, NIGHT),
    "panel_background_fill": ("transparent", "transparent"),
}
MEASURES = {
    "block_border_width": "0px",
    "block_shadow": "none",
    "block_padding": "0px",
    "block_radius": "2px",
    "input_radius": "2px",
    "input_shadow": "none",
    "button_large_radius": "2px",
    "button_small_radius": "2px",
    "checkbox_label_padding": "4px 10px",
    "layout_gap": "16px",
    "block_title_text_weight": "500",
}


def theme() -> gr.themes.Base:
    """The theme, with a light and a dark variant."""
    tokens = {name: light for name, (light, _) in COLOURS.items()}
    tokens |= {f"{name}_dark": dark for name, (_, dark) in COLOURS.items()}
    return gr.themes.Base(
        font=SANS, font_mono=["ui-monospace", "Consolas", "monospace"], radius_size="none", spacing_size="md"
    ).set(**tokens, **MEASURES)
