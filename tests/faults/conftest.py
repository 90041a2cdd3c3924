"""Scripts of the fault tests replace parts of the package: they are run, never imported here."""

collect_ignore = ["fake_runs.py", "faults.py", "processes.py"]
