"""Leaderboard: encoders side by side on a sample of a user's media, with intervals and paired differences."""
