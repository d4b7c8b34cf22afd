"""The demo data: its lines, who speaks them, and the pictures drawn to them."""
