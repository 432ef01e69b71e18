"""A board that people add to: what is asked of an entry, and the site made of all of them."""
