"""`python -m kerasdecay`: the command line."""

from kerasdecay.cli import main

raise SystemExit(main())
