"""Speed of the book's own code against what it is compared with. Run them all:  python -m benchmarks"""
