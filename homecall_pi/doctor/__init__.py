"""`homecall-pi doctor`: finds what is wrong with a door, and says how to mend it."""
