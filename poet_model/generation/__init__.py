"""Writing poems: what is asked for, the rules that follow from it, and the loop that writes."""
