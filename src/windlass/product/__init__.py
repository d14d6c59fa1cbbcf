"""What a user declares: the product class, its task and its policies, and how a declaration is checked."""
