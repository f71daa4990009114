"""From batches of a source to sparse sums per voxel: Gaussians, points and voxels.

Each module has one `voxelise(batch, placement, ...) -> list[Sums]`. Sums are integers, so adding them up
in any order, in any grouping, on any number of threads gives the same bytes.
"""
