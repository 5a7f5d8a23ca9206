"""The long proof: what the suite does once, done for as long as there is time, with other draws each round.

`python -m tests.proof --minutes 60 --seed 7` prints the figures; the same again goes on where it stopped.
"""
