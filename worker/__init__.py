"""clickscore: live purchase and churn scores from a clickstream."""

__version__ = "0.1.0"
