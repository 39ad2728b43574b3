"""The exercises, one file for each few that belong together. Spoilers: the right answers are in here."""
