"""Small protocols behind which everything outside stands. One file each; backends implement them; contract suites in
``tests/contract`` hold every backend to the docstrings here. Only ``roles.bootstrap`` picks an implementation."""
