"""The exercises, a file each. Spoilers: the right answers are in here.

Each file reads: TASK, what the learner is told; the right answer, the cases it is tried on and what can be said of a
case; MESSAGES, a paragraph for each typical mistake; WAYS, how these mistakes are made, in a file NAME_ways.py where
they need many lines; EXERCISE, all of it together. What can go wrong with any function (an argument ignored, two
exchanged, only the first picture) is in mechanical.py and common.py.
"""
