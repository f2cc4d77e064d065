"""Measuring a model beside real poems; the figures of its card."""
