"""Do the tests notice? Each planted mutant breaks one promise, and a named test must fail by the assertion meant.

`python -m tests.mutants` plants each in a copy of the tree, runs only its tests, and tells which were noticed.
"""
