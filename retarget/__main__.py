"""Run the command line as `python -m retarget`."""

from retarget.cli.main import console_main

if __name__ == "__main__":
    console_main()
