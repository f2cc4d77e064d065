"""How a metric with its interval is written, in a card and in a report."""

from __future__ import annotations


def shown(metric: object, spec: str) -> str:
    """Formats a metric by Python's format specification, as `93.7% (92.1 to 95.0)` if it has an interval."""
    if not isinstance(metric, dict):
        return format(metric, spec)
    value, low, high = (
        "" if metric.get(name) is None else format(metric[name], spec) for name in ("value", "low", "high")
    )
    return f"{value} ({low.rstrip('%')} to {high.rstrip('%')})" if low else value
