"""Answers as learners write them: right ones in several styles, and wrong ones with the code they should be told.

Each file has RIGHT = {exercise: {style: function}} and WRONG = {exercise: {code: function}}. They share no code with
the catalogue in segkit.grading, on purpose: an answer in loops has to be recognised by what it does.
"""
