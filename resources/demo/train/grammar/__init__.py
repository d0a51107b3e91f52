"""The language of the demo model: what it can be asked, and how it thinks and answers."""
