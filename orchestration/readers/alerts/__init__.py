"""Telling people what they should look at: `conditions` says what there is, `sending` tells each change once."""
