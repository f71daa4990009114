"""Run by Lyra 2's python in its checkout, never imported: depth of frames on the poses they were made on.

    python da3_script.py FOLDER OUT.npz CHECKPOINT

FOLDER holds %05d.png and cams.npz {w2c [N, 4, 4], intrinsics [N, 3, 3]}. OUT gets depth [N, H, W] float32
in the unit of the poses and sky [N, H, W] uint8. The call is the one that Lyra 2's own loop makes, which
aligns the result to the given poses and their scale.
"""

# mypy: ignore-errors

import sys
from pathlib import Path


def main(folder: Path, out: Path, checkpoint: Path) -> None:
    import numpy as np
    import torch
    from lyra_2._src.inference.depth_utils import load_da3_model
    from PIL import Image

    if not torch.cuda.is_available():
        raise SystemExit("No CUDA GPUs are available")
    if not checkpoint.is_file():
        raise FileNotFoundError(f"DA3 checkpoint not found: {checkpoint}")
    with np.load(folder / "cams.npz", allow_pickle=False) as cams:
        w2c, intrinsics = cams["w2c"], cams["intrinsics"]
    images = [np.asarray(Image.open(folder / f"{i:05d}.png").convert("RGB")) for i in range(len(w2c))]
    model = load_da3_model("depth-anything/DA3NESTED-GIANT-LARGE-1.1", str(checkpoint))
    height, width = images[0].shape[:2]
    with torch.no_grad():
        found = model.inference(
            image=images,
            extrinsics=w2c,
            intrinsics=intrinsics,
            align_to_input_extrinsics=True,
            align_to_input_ext_scale=True,
            infer_gs=False,
            process_res=max(height, width),
            process_res_method="upper_bound_resize",
            reorder_cam_token_by_reference=True,
            export_dir=None,
            export_format="mini_npz",
        )
    depth = np.asarray(found.depth, np.float32)
    sky = getattr(found, "sky", None)
    sky = np.zeros(depth.shape, np.uint8) if sky is None else np.asarray(sky).astype(np.uint8)
    np.savez(out, depth=depth, sky=sky)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
