"""A room with a box in it, seen with exact depth: the smallest posed RGB-D scene. Written in any layout."""

import json
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

SIZE = 96, 72  # width, height
K = (80.0, 80.0, 47.5, 35.5)
ROOM = np.array([[-2.0, -1.2, -1.5], [2.0, 1.2, 2.5]])  # metres; camera axes: y down
BOX = np.array([[0.2, 0.2, 1.0], [1.0, 1.2, 1.6]])  # stands on the floor


def look(yaw_deg, eye):
    """Camera to world: turned about the vertical."""
    c, s = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    pose = np.eye(4)
    pose[:3, :3] = [[c, 0, s], [0, 1, 0], [-s, 0, c]]
    pose[:3, 3] = eye
    return pose


POSES = [look(12.0 * i - 40, (0.08 * i - 0.3, 0.02 * i, 0.05 * i - 0.2)) for i in range(8)]


def slabs(eye, rays, box):
    """Where rays enter and leave a box, as multiples of the rays."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = ((edge - eye) / rays for edge in box)
    return np.fmin(a, b).max(-1), np.fmax(a, b).min(-1)


def seen(pose, size=SIZE, k=K):
    """-> (rgb [H, W, 3] uint8, depth [H, W] float32 metres): each side of each box has its colour."""
    fx, fy, cx, cy = k
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    rays = np.stack([(columns - cx) / fx, (rows - cy) / fy, np.ones(rows.shape)], -1) @ pose[:3, :3].T
    eye = pose[:3, 3]
    _, wall = slabs(eye, rays, ROOM)
    near, far = slabs(eye, rays, BOX)
    on_box = (near < far) & (near > 0)
    depth = np.where(on_box, near, wall)
    return colour_at(eye + rays * depth[..., None]), depth.astype(np.float32)


def colour_at(points):
    """By which plane of ROOM or BOX is nearest. [..., 3] -> uint8 [..., 3]"""
    offsets = np.abs(points[..., None, :] - np.concatenate([ROOM, BOX])).reshape(*points.shape[:-1], 12)
    side = offsets.argmin(-1)
    return np.stack([40 + side * 17, 240 - side * 13, 60 + side * 37 % 180], -1).astype(np.uint8)


def inverse(pose):
    return np.linalg.inv(pose)


def matrix(pose):
    return "\n".join(" ".join(f"{v:.9f}" for v in row) for row in pose) + "\n"


def save(folder, number, rgb, depth, scale=1000.0, names=("color/{:05d}.png", "depth/{:05d}.png")):
    """A frame as two pictures."""
    colour, depths = (folder / name.format(number) for name in names)
    for path in (colour, depths):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(colour)
    Image.fromarray(np.rint(depth * scale).astype(np.uint16)).save(depths)


def redwood(folder, poses=POSES):
    for i, pose in enumerate(poses):
        save(folder, i, *seen(pose))
    log = "".join(f"{i} {i} {i + 1}\n{matrix(pose)}" for i, pose in enumerate(poses))
    (folder / "trajectory.log").write_text(log)
    k = [K[0], 0, 0, 0, K[1], 0, K[2], K[3], 1]
    (folder / "intrinsic.json").write_text(json.dumps({"width": 96, "height": 72, "intrinsic_matrix": k}))


def quaternion(pose):
    """x, y, z, w of a turn about y."""
    half = np.arctan2(pose[0, 2], pose[0, 0]) / 2
    return 0.0, np.sin(half), 0.0, np.cos(half)


def tum(folder, poses=POSES):
    rgb, depth, truth = [], [], ["# timestamp tx ty tz qx qy qz qw"]
    for i, pose in enumerate(poses):
        save(folder, i, *seen(pose), 5000.0, ("rgb/{}.png", "depth/{}.png"))
        rgb.append(f"{i + 0.004:.3f} rgb/{i}.png")
        depth.append(f"{i:.3f} depth/{i}.png")
        truth.append(f"{i - 0.003:.3f} " + " ".join(f"{v:.9f}" for v in (*pose[:3, 3], *quaternion(pose))))
    for name, lines in (("rgb", rgb), ("depth", depth), ("groundtruth", truth)):
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")


def seven_scenes(folder, poses=POSES):
    for i, pose in enumerate(poses):
        save(folder, i, *seen(pose), names=("frame-{:06d}.color.png", "frame-{:06d}.depth.png"))
        (folder / f"frame-{i:06d}.pose.txt").write_text(matrix(pose))


def scannet(folder, poses=POSES, known=True, w2c=False):
    for i, pose in enumerate(poses):
        rgb, _ = seen(pose, (192, 144), tuple(2 * v + 0.5 * (n > 1) for n, v in enumerate(K)))
        save(folder, i, rgb, seen(pose)[1], names=("color/{}.png", "depth/{}.png"))
        (folder / "pose").mkdir(exist_ok=True)
        (folder / "pose" / f"{i}.txt").write_text(matrix(inverse(pose) if w2c else pose))
    if known:
        (folder / "intrinsic").mkdir()
        for name, scale in (("depth", 1), ("color", 2)):
            fx, fy, cx, cy = (scale * v + 0.5 * (scale - 1) * (n > 1) for n, v in enumerate(K))
            k = np.diag([fx, fy, 1.0, 1.0])
            k[0, 2], k[1, 2] = cx, cy
            (folder / "intrinsic" / f"intrinsic_{name}.txt").write_text(matrix(k))


def nerfstudio(folder, poses=POSES):
    frames = []
    for i, pose in enumerate(poses):
        save(folder, i, *seen(pose))
        opengl = (pose * [1, -1, -1, 1]).tolist()
        frames.append(
            {"file_path": f"color/{i:05d}.png", "depth_file_path": f"depth/{i:05d}.png"}
            | {"transform_matrix": opengl}
        )
    lens = {"fl_x": K[0], "fl_y": K[1], "cx": K[2] + 0.5, "cy": K[3] + 0.5, "w": 96, "h": 72}
    (folder / "transforms.json").write_text(json.dumps(lens | {"frames": frames}))


def lyra(folder, poses=POSES, w2c=True, compression=3, sky=None):
    (folder / "rgb").mkdir(parents=True)
    with zipfile.ZipFile(folder / "depth.zip", "w") as archive:
        for i, pose in enumerate(poses):
            rgb, depth = seen(pose)
            Image.fromarray(rgb).save(folder / "rgb" / f"{i:05d}.png")
            archive.writestr(f"{i:05d}.exr", exr(depth if sky is None else sky(depth), compression))
    k = np.broadcast_to([[K[0] * 2, 0, K[2] * 2 + 0.5], [0, K[1] * 2, K[3] * 2 + 0.5], [0, 0, 1]], (8, 3, 3))
    if w2c:
        stack = np.stack([inverse(p) for p in poses]).astype(np.float32)
        size = {"image_width": np.int64(192), "image_height": np.int64(144)}
        np.savez(folder / "trajectory.npz", w2c=stack, intrinsics=k[: len(poses)], **size)
    else:
        inds = np.arange(len(poses))
        np.savez(folder / "pose.npz", inds=inds, data=np.stack(poses).astype(np.float32))
        np.savez(folder / "intrinsics.npz", inds=inds, data=np.tile(np.float32(K), (len(poses), 1)))


def exr(depth, compression=3, dtype="<f4"):
    """A one-channel EXR file. compression: 0 none, 2 ZIPS, 3 ZIP."""
    height, width = depth.shape

    def attribute(name, kind, value):
        return name + b"\0" + kind + b"\0" + struct.pack("<I", len(value)) + value

    kind = 1 if dtype == "<f2" else 2
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    head = b"v/1\x01" + struct.pack("<I", 2)
    head += attribute(b"channels", b"chlist", b"Z\0" + struct.pack("<iIii", kind, 0, 1, 1) + b"\0")
    head += attribute(b"compression", b"compression", bytes([compression]))
    head += attribute(b"dataWindow", b"box2i", window) + attribute(b"displayWindow", b"box2i", window)
    head += attribute(b"lineOrder", b"lineOrder", b"\0") + b"\0"
    lines = 16 if compression == 3 else 1
    blocks = []
    for row in range(0, height, lines):
        raw = depth[row : row + lines].astype(dtype).tobytes()
        if compression:
            plain = np.frombuffer(raw, np.uint8)
            mixed = np.concatenate([plain[0::2], plain[1::2]]).astype(int)
            steps = np.diff(mixed, prepend=mixed[0]) + 128
            steps[0] = mixed[0]
            packed = zlib.compress((steps & 255).astype(np.uint8).tobytes())
            raw = min(raw, packed, key=len)
        blocks.append(struct.pack("<iI", row, len(raw)) + raw)
    at = len(head) + 8 * len(blocks)
    starts = np.cumsum([0, *map(len, blocks[:-1])]) + at
    return head + starts.astype("<u8").tobytes() + b"".join(blocks)
