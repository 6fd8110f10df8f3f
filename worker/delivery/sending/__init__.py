"""The exchange itself: which address may be called, the call within a time limit, and what the answer means."""
