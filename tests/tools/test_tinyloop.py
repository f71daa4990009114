"""TinyLoop's networks, its training and its sessions, at a size of a few thousand weights."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image
from tiny_loops import SHORT, TINY, awake, save, walk_of
from voxtide.tools.cli import main
from voxtide.tools.errors import UserError
from voxtide.tools.lyra.backends import Wishes, backend
from voxtide.tools.lyra.problems import Code, GeneratorError
from voxtide.tools.lyra.protocol import check_result
from voxtide.tools.lyra.tinyloop import safetensors
from voxtide.tools.lyra.tinyloop.config import SIZES, Config

torch = pytest.importorskip("torch", reason="TinyLoop's networks need torch: pip install 'voxtide[lyra]'")

from voxtide.tools.lyra.tinyloop import flow, learning, model, states, train  # noqa: E402
from voxtide.tools.lyra.tinyloop.batches import Walks, chunks_batch  # noqa: E402
from voxtide.tools.lyra.tinyloop.denoiser import Shown  # noqa: E402
from voxtide.tools.lyra.tinyloop.held import MEMORIES, Manner  # noqa: E402
from voxtide.tools.lyra.tinyloop.session import open_session  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("walks")


@pytest.fixture
def weights(tmp_path):
    return save(tmp_path / "w.safetensors")


def shown_of(made, frames=8):
    """Something random to look at."""
    h, w = made.config.cells

    def draw(*shape):
        return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))

    return Shown(
        draw(2, frames, 16, h, w),
        torch.full((2, frames, 1, h, w), 0.5),
        draw(2, 4, 16, h, w),
        torch.ones(2, 4),
        draw(2, 4, 16, h, w),
        draw(2, 16, 16, h, w),
        torch.ones(2, 2),
        draw(2, frames // 4, 22, h, w),
        draw(2, 4, 22, h, w),
        draw(2, 1, 22, h, w),
        torch.tensor([0, 4]),
        draw(2, 6),
    )


@torch.no_grad()
def test_shapes_and_sizes():
    counts = {}
    for name, config in SIZES.items():
        with torch.device("meta"):
            counts[name] = model.n_parameters(model.TinyLoop(config))
    assert 3e6 <= counts["104x64"] <= 5e6 < counts["208x120"] <= model.MAX_PARAMETERS
    made = awake()
    z = made.encode(torch.zeros(3, 5, 32, 48))
    assert z.shape == (3, 16, 4, 6) and made.decode(z).shape == (3, 5, 32, 48)
    for config in (TINY, replace(TINY, width=56)):  # 7 latents across: tokens reach over the edge
        other = model.built(config, 0)
        shown = shown_of(other)
        assert other.denoiser(shown.warp, torch.ones(2), shown).shape == shown.warp.shape


@torch.no_grad()
def test_routes_turn_queries_and_keys_and_leave_values_alone(monkeypatch):
    made = awake().denoiser
    attended = []
    real = torch.nn.functional.scaled_dot_product_attention
    spy = lambda *qkv: attended.append(qkv) or real(*qkv)  # noqa: E731
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    shown = shown_of(awake())
    outs = [made(shown.warp, torch.ones(2), s) for s in (shown, replace(shown, routes=-shown.routes))]
    (q, k, v), (q2, k2, v2) = attended
    assert torch.equal(v, v2)
    assert not torch.equal(q, q2) and not torch.equal(k, k2)
    assert not torch.equal(*outs)


@torch.no_grad()
def test_the_parts_of_what_is_shown_all_count():
    made = awake()
    shown = shown_of(made)
    first = made.denoiser(shown.warp, torch.ones(2), shown)
    for field in fields(Shown):
        value = getattr(shown, field.name)
        other = 5 - value if value.dtype == torch.int64 else value * 0 + 0.3
        if field.name in ("slot_there", "past_there"):
            other = torch.zeros_like(value)
        with torch.no_grad():
            made.denoiser.modulation.weight.normal_(0, 0.1)
            made.denoiser.theme.weight.normal_()
            made.denoiser.palette.weight.normal_()
        first = made.denoiser(shown.warp, torch.ones(2), shown)
        assert not torch.equal(
            first, made.denoiser(shown.warp, torch.ones(2), replace(shown, **{field.name: other}))
        )


@torch.no_grad()
def test_an_untrained_network_gives_the_warp_from_either_source():
    made = model.built(TINY, 0)
    shown = shown_of(made)
    for source in flow.SOURCES:
        assert torch.allclose(made.sample(shown, 1, source), shown.warp, atol=1e-5)


def test_the_velocity_leads_to_the_clean_latents():
    x0, warp = (torch.randn(2, 4, 16, 2, 2, generator=torch.Generator().manual_seed(i)) for i in (1, 2))
    x1 = flow.begin(warp, torch.ones(2, 4, 1, 2, 2), flow.noise((2, 4, 16, 2, 2), 3), "warp")
    assert torch.allclose(flow.sample(lambda x, t: x0 - warp, warp, x1), x0, atol=1e-5)
    assert flow.loss(x0 - warp, x0, warp, torch.full((2,), 0.5)).max() < 1e-9
    assert torch.allclose((x1 - warp).std(), torch.tensor(flow.COVERED), rtol=0.2)


def test_losses_fall_where_there_is_little_to_learn(cache):
    made = model.built(SHORT, 0)
    data = Walks(cache, SHORT, 2, torch.device("cpu"))

    def fit(name, loss, n):
        learnt = [p for _, p in train._parameters(made, name)]
        made.requires_grad_(False)
        for p in learnt:
            p.requires_grad_(True)
        optimizer = torch.optim.AdamW(learnt, 5e-3)
        told = []
        for _ in range(n):
            value = loss(np.random.default_rng(1), torch.Generator().manual_seed(1))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            told.append(value.item())
        return np.mean(told[-3:]) / told[0]

    assert fit("autoencoder", lambda r, g: learning.autoencoder_loss(made, data, r, g), 60) < 0.6
    train._finish(made, data, "autoencoder", {})
    assert fit("denoiser", lambda r, g: learning.denoiser_loss(made, data, r, g, 0.0, 0), 50) < 0.75
    assert fit("refiner", lambda r, g: learning.refiner_loss(made, data, r, g), 40) < 0.995


@torch.no_grad()
def test_what_is_dropped_and_what_the_network_made_itself(cache):
    made = awake(SHORT)
    _, shown, _ = chunks_batch(
        Walks(cache, SHORT, 2, torch.device("cpu")), made, np.random.default_rng(0), 64
    )
    less = learning.dropped(shown, torch.Generator().manual_seed(0))
    gone = 1 - less.slot_there.sum() / shown.slot_there.sum()
    assert 0.02 < gone < 0.25
    assert 0 < (less.warp.flatten(1).abs().sum(1) == 0).sum() < 16
    own = learning.self_made(made, shown, torch.Generator().manual_seed(0), through=True)
    assert own.slots.shape == shown.slots.shape and not torch.equal(own.recent, shown.recent)
    assert torch.equal(own.warp, shown.warp)


def plan(steps=14, **more):
    return states.Plan(**({"config": SHORT, "seed": 2, "n_walks": 2, "steps": steps, "minutes": None} | more))


@pytest.mark.parametrize("stops", [(2,), (6, 11), (13,)])
def test_training_goes_on_as_if_it_had_not_stopped(stops, cache, tmp_path):
    device, quiet = torch.device("cpu"), lambda line: None
    train.train(plan(), tmp_path / "a.safetensors", cache, device, quiet)
    for at in stops:
        n = iter(range(100))
        done = states.resumed(plan(), tmp_path / "b.safetensors", device)[1].total
        state = train.train(
            plan(), tmp_path / "b.safetensors", cache, device, quiet, lambda n=n, e=at - done: next(n) >= e
        )
        assert state.total == at
        model.load(tmp_path / "b.safetensors")  # usable meanwhile
    state = train.train(plan(), tmp_path / "b.safetensors", cache, device, quiet)
    assert state.total == 14
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    with pytest.raises(UserError, match="another training"):
        train.train(plan(seed=3), tmp_path / "b.safetensors", cache, device, quiet)
    told = safetensors.read_header(tmp_path / "a.safetensors").metadata
    assert told["license"] == "Apache-2.0" and told["steps"] == "14" and told["phase"] == "whole"


def run(made, seed, way, manner=None, done=()):
    return open_session(made, manner or Manner(), seed, way, done)


def test_the_backend_keeps_the_protocol(weights):
    seed, way = walk_of(2)
    generator = backend("tinyloop", Wishes(weights=weights), print)
    assert generator.info.size == (48, 28) and "procedural scenes only" in generator.info.weights_id
    session = generator.open(seed, weights.parent, way)
    first = session.seed_result()
    results = []
    for index in range(2):
        results.append(session.step(way.request(index, seed.seed)))
        check_result(results[-1], way.request(index, seed.seed), (48, 28))
        assert results[-1].depth.min() > 0 and not results[-1].warnings
    session.revert()
    again = session.step(way.request(1, seed.seed))
    resumed = generator.open(seed, weights.parent, way, [first, results[0]]).step(way.request(1, seed.seed))
    for other in (again, resumed):
        assert np.array_equal(other.frames, results[1].frames) and np.array_equal(
            other.depth, results[1].depth
        )
        assert np.array_equal(other.made, results[1].made)
    session.revert()
    with pytest.raises(GeneratorError):
        session.revert()
    session.close()


def test_the_seed_decides(weights):
    made, (seed, way) = model.load(weights), walk_of()
    a, b, c = (run(made, seed, way).step(way.request(0, s)) for s in (1, 1, 2))
    assert np.array_equal(a.frames, b.frames) and np.array_equal(a.depth, b.depth)
    assert not np.array_equal(a.frames, c.frames)


def test_a_static_camera_returns_the_seed():
    seed, way = walk_of(still=True)
    result = run(model.built(TINY, 0).eval(), seed, way).step(way.request(0, 1))
    error = np.mean((result.frames.astype(float) - seed.rgb) ** 2)
    assert 10 * np.log10(255**2 / error) > 25  # untrained: the mixture with the warp alone


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("finish", ["refined", "blended"])
def test_every_memory_serves(memory, finish):
    seed, way = walk_of()
    result = run(awake(), seed, way, Manner(memory, "noise", finish)).step(way.request(0, 1))
    check_result(result, way.request(0, 1), (48, 28))
    assert 0.05 < result.coverage <= 1


def test_seeds_that_do_not_fit_and_words_that_are_not_known():
    seed, way = walk_of()
    with pytest.raises(GeneratorError) as caught:
        run(awake(), replace(seed, depth=None), way)
    assert caught.value.code is Code.DEPTH_MISSING
    with pytest.raises(GeneratorError, match="48 x 28"):
        run(awake(), replace(seed, rgb=seed.rgb[:20], depth=seed.depth[:20]), way)
    told = run(awake(), seed, way).step(replace(way.request(0, 1), prompt="a dragon"))
    assert len(told.warnings) == 1


def test_weights_of_other_shapes_are_refused(weights, monkeypatch):
    tensors, told = safetensors.read(weights)
    name = "denoiser.last.weight"
    for change, word in (
        ({name: np.ascontiguousarray(tensors[name].T)}, "is due"),
        ({"more": tensors[name]}, "unknown"),
        ({name: None}, "missing"),
        ({name: np.full_like(tensors[name], np.nan)}, "not finite"),
    ):
        changed = {n: a for n, a in (tensors | change).items() if a is not None}
        safetensors.write(weights, changed, told)
        with pytest.raises(UserError, match=word):
            model.load(weights)
    large = Config(dim=512, heads=8, blocks=16).told()
    safetensors.write(weights, tensors, told | {"config": json.dumps(large)})
    monkeypatch.setattr(safetensors.np, "fromfile", None)  # refused by its sizes alone
    with pytest.raises(UserError, match="parameters"):
        model.load(weights)
    safetensors.write(weights, tensors, told | {"grammar": "another"})
    with pytest.raises(UserError, match="scenes"):
        model.load(weights)


def test_commands(weights, tmp_path, capsys):
    seed, _ = walk_of()
    Image.fromarray(seed.rgb).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", seed.depth)
    files = [
        "--image",
        str(tmp_path / "a.png"),
        "--depth",
        str(tmp_path / "a.npy"),
        "--weights",
        str(weights),
    ]
    asked = ["generate", str(tmp_path / "g"), *files, "--steps", "1", "--backend", "tinyloop"]
    asked += ["--prompt", "a dragon"]
    assert main(asked) == 0
    assert capsys.readouterr().err.count("not trained on these words") == 1
    manifest = json.loads((tmp_path / "g/manifest.json").read_text())
    assert "procedural scenes only" in manifest["weights"]["id"] and manifest["size"] == [48, 28]
    assert main([*asked, "--size", "96x64"]) == 2
    assert "own size" in capsys.readouterr().err
    out = ["--out", str(tmp_path / "t.safetensors")]
    for mistake in (["--steps", "3", "--minutes", "1", *out], ["--steps", "3", "--out", "a.pt"],
                    ["--steps", "3", "--device", "tpu", *out], out):  # fmt: skip
        assert main(["train", "tinyloop", *mistake]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert main(["experiment", "tinyloop"]) == 2
    assert main(["experiment", "tinyloop", "--weights", str(weights), "--memory", "none such"]) == 2
