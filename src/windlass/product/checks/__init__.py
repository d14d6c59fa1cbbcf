"""What can be wrong with a product, found before anything is trained."""
