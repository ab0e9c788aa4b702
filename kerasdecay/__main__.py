"""`python -m kerasdecay`: the command line."""

from kerasdecay.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
