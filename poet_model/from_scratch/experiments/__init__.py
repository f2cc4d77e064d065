"""The experiments of the course, one runnable file each: a table, a figure, a JSON record."""
