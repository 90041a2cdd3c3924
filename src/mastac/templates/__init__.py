"""What `mastac init` writes: modules that work as they stand, here and in the user's folder.

`NAME` in them becomes the name that the user gives, and so does the module that tests import.
"""
