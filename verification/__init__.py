"""Verification: manifest, tree, beacon, picks, contract, chain, proof."""
