"""`python -m engine` is `meterline`."""

from engine.entry import main

main()
