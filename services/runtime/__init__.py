"""Faust as our stages use it: membership, assignment, flow and actors are Faust's, every byte of data is ours."""
