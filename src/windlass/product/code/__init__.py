"""The code of a product: which modules are its own, what a member reaches, and running it under a private name."""
