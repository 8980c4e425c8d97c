"""`python -m gare` is `gare`."""

from gare.cli.app import main

if __name__ == "__main__":
    main()
