"""`python -m homecall_pi` and the `homecall-pi` command."""

from .cli import main

if __name__ == "__main__":
    main()
