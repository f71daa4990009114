"""The stages of a bake, one file each: spans of sources -> spilled sums -> regions -> levels -> a world.

Every unit of work (a span of a source, a region, a region of a coarser level) is a function of plain data,
so that this process, a pool of processes, another machine or Ray may run it: the bytes are the same.
"""
