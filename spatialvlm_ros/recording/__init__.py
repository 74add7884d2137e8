"""The bag edge: episodes into one file and out again, their figures, plots and videos."""
