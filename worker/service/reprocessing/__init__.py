"""The same input again: replays and dry runs of files, ranges scored anew, dead letters sent back, models learned anew."""
