"""What comes in per frame keeps to its budgets: bytes, chunks, milliseconds."""

import pytest
from gates import Memory, wait_until
from streamed import HERE, open_film
from voxtide.streamer.upload_budget import FEW, LEAST, Budgets, Cost
from worlds import surface


@pytest.fixture(scope="module")
def memory():
    return Memory(*surface(4000, 300))


@pytest.mark.parametrize("what", ["chunks", "bytes"])
def test_a_frame_takes_no_more_than_its_upload_budget(memory, what):
    most = 40 if what == "chunks" else 20 * max(map(len, memory.chunks.values()))
    film = open_film(memory, **{f"upload_{what}_per_frame": most})
    updates = [film.draw(HERE)]
    loader = film.streamer._loader
    wait_until(lambda: loader.n_under_way > 200 and not loader._reads)  # more than a frame may take

    def settled():
        updates.append(film.draw(HERE))
        return film.n_missing == 0 and film.streamer.is_idle

    wait_until(settled)
    film.streamer.close()
    taken = [len(u.streams) if what == "chunks" else u.n_bytes for u in updates]
    assert 0.9 * most < max(taken) <= most, "what comes is cut where the budget ends"
    assert all(u.n_bytes == sum(map(len, u.streams)) for u in updates)


def test_a_frame_takes_no_more_chunks_than_its_milliseconds_buy(memory):
    """What chunks took lately says how many more may come: 0.02 ms each, 3 ms a frame."""
    film = open_film(memory, upload_ms_per_frame=3.0)
    film.streamer.spent(film.draw(HERE), 0.0)
    film.streamer._cost.spent(100, 0.02 * 100)
    loader = film.streamer._loader
    wait_until(lambda: loader.n_under_way > 400 and not loader._reads)  # more has come than a frame may take
    assert [len(film.draw(HERE).streams) for _ in range(2)] == [150, 150]
    film.streamer.close()


@pytest.mark.parametrize(
    ("ms_per_frame", "ms_per_chunk", "n"),
    [
        (0.0, 0.0, 500),
        (0.5, 0.001, 500),
        (0.0, 0.02, 200),
        (2.0, 0.01, 200),
        (0.0, 1.0, LEAST),
        (9.0, 0.0, LEAST),
    ],
)
def test_milliseconds_become_chunks(ms_per_frame, ms_per_chunk, n):
    """Whatever the number of chunks that came lately: a small budget must be able to grow again."""
    for n_lately in (FEW, 100, 500):
        cost, budgets = Cost(), Budgets(1, 1, upload_chunks_per_frame=500, upload_ms_per_frame=4.0)
        for _ in range(100):
            cost.spent(FEW - 1, ms_per_frame)
        for _ in range(3):
            cost.spent(n_lately, ms_per_frame + n_lately * ms_per_chunk)
        assert cost.n_chunks(budgets) == pytest.approx(n, rel=0.01)


def test_what_the_first_chunk_costs_is_not_laid_on_the_others():
    """Or a few small batches would make chunks seem dear, so that fewer come, which seem dearer still."""
    cost, budgets = Cost(), Budgets(1, 1)

    def frame(n):
        cost.spent(n, 0.2 + (n > 0) * 0.8 + 0.003 * n)

    for n in (0, 0, 3, 0, 9, 0, 20, 60, 200, 0, 30, 200) * 5:
        frame(n)
    for _ in range(20):
        frame(cost.n_chunks(budgets))
        frame(0)
    assert cost.n_chunks(budgets) == budgets.upload_chunks_per_frame


def test_one_chunk_larger_than_the_budget_comes_in_alone(memory):
    film = open_film(memory, upload_bytes_per_frame=1)
    at_start = film.streamer.n_loaded

    def twenty_have_come():
        assert len(film.draw(HERE).streams) <= 1
        return film.streamer.n_loaded - at_start > 20

    wait_until(twenty_have_come)
    film.streamer.close()
