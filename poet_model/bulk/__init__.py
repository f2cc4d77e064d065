"""Writes very many poems into a folder of shards, on one machine or on a Ray cluster. Needs no torch."""
