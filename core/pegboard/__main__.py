"""`python -m pegboard`, and `accelerate launch -m pegboard`."""

from pegboard.cli.main import main

if __name__ == "__main__":
    main()
