"""What Callboard itself costs, measured against the real programs."""
