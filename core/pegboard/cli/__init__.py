"""The command line: one file a command, each a thin face of a function that Python users call as well."""
