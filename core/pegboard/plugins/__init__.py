"""Plugins: found without importing them, loaded one by one, and looked up by name.

`discovery` reads what is installed, `loading` imports each plugin in isolation, `registry` answers which
component a name means and where it comes from.
"""
