"""The long campaign: `python -m tests.campaign [--cases 40] [--seed 0] [--only NAME]`; see CONTRIBUTING."""
