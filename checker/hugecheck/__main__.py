"""`python -m hugecheck`"""

from hugecheck.cli import main

if __name__ == "__main__":
    main()
