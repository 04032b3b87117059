"""One adapter per hardware library, imported only when chosen by name, and the shipped fakes."""
