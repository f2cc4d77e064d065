"""The experiments of the course, each a runnable file that makes a table, a figure and a JSON record."""
