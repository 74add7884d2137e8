"""Vision models behind small typed calls: filter, detector, captioner, segmenter, metric depth, text similarity.

Pictures go in as arrays and results come out as arrays; no tensor leaves this package, and torch is loaded on first use.
"""
