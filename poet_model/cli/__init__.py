"""The commands of `poet` that no other folder has: write, judge, push, info, completion."""
