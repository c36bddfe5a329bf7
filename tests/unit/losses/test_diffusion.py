import math

import pytest
import torch

from mac.losses.diffusion import Schedule, denoising, guided, impose, noised, sample


def slow_schedule(steps):
    """betas, alpha_bars of algorithms.md 15.1, a line an equation."""

    def f(j):
        return math.cos(((j / steps) + 0.008) / 1.008 * math.pi / 2) ** 2

    wished = [f(k + 1) / f(0) for k in range(steps)]
    betas = [1 - now / old for now, old in zip(wished, [1.0, *wished[:-1]], strict=True)]
    betas = [min(max(beta, 0), 0.999) for beta in betas]
    alpha_bars = [math.prod(1 - beta for beta in betas[: k + 1]) for k in range(steps)]
    return betas, alpha_bars


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


KNOWN = torch.tensor([[False, True], [False, False], [True, False]])


@pytest.mark.parametrize("steps", [1, 2, 20, 256])
def test_the_schedule_equals_the_oracle(steps):
    schedule = Schedule.cosine(steps)
    betas, alpha_bars = slow_schedule(steps)
    assert len(schedule) == steps
    assert schedule.betas == pytest.approx(betas, rel=1e-12)
    assert schedule.alpha_bars == pytest.approx(alpha_bars, rel=1e-12)
    for k in range(steps):
        before = alpha_bars[k - 1] if k else 1.0
        expected = betas[k] * (1 - before) / (1 - alpha_bars[k])
        assert schedule.variance(k) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_the_last_beta_is_clipped_and_the_product_follows_it():
    schedule = Schedule.cosine(20)  # f(T) is 0: all would be noise
    assert schedule.betas[-1] == 0.999
    assert schedule.alpha_bars[-1] == pytest.approx(0.001 * schedule.alpha_bars[-2])


@pytest.mark.parametrize("step", [0, 1, 7, 19])
def test_the_posterior_is_that_of_bayes(step):
    """Of x_{k-1} given x_k and x_0: the product of two normal densities, by its log's quadratic."""
    schedule = Schedule.cosine(20)
    data, x = torch.tensor(0.3, dtype=torch.float64), torch.tensor(-0.7, dtype=torch.float64)
    found = schedule.posterior_mean(x, data, step)
    if step == 0:
        assert found.item() == pytest.approx(0.3) and schedule.variance(0) == 0.0
        return
    beta, before = schedule.betas[step], schedule.alpha_bars[step - 1]
    # x_{k-1} ~ N(√before x_0, 1 - before) and x_k ~ N(√(1 - beta) x_{k-1}, beta)
    precision = 1 / (1 - before) + (1 - beta) / beta
    mean = math.sqrt(before) * 0.3 / (1 - before) + math.sqrt(1 - beta) * -0.7 / beta
    assert found.item() == pytest.approx(mean / precision)
    assert schedule.variance(step) == pytest.approx(1 / precision)


def test_impose_overwrites_what_is_known_in_every_example():
    x, values = normal(2, 3, 2), normal(2, 3, 2, seed=1)
    found = impose(x, values, KNOWN)
    for b in range(2):
        for h in range(3):
            for d in range(2):
                assert found[b, h, d] == (values if KNOWN[h, d] else x)[b, h, d]


def test_the_loss_equals_a_loop_over_entries():
    schedule = Schedule.cosine(5)
    data, noise, steps = normal(4, 3, 2), normal(4, 3, 2, seed=1), torch.tensor([0, 4, 2, 2])
    weights = torch.rand(3, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    seen = []

    def network(x, k):
        seen.append(x)
        return 0.5 * x + 0.1 * k[:, None, None]

    alpha_bars = torch.tensor(schedule.alpha_bars, dtype=torch.float64)
    found = denoising(network, data, noise, steps, alpha_bars, KNOWN, weights)
    total = 0.0
    for b in range(4):
        share = schedule.alpha_bars[steps[b]]
        for h in range(3):
            for d in range(2):
                x_0 = data[b, h, d].item()
                x_k = math.sqrt(share) * x_0 + math.sqrt(1 - share) * noise[b, h, d].item()
                if KNOWN[h, d]:
                    x_k = x_0
                assert seen[0][b, h, d].item() == pytest.approx(x_k)
                prediction = 0.5 * x_k + 0.1 * steps[b].item()
                if KNOWN[h, d]:
                    prediction = x_0
                total += weights[h, d].item() * (prediction - x_0) ** 2
    assert found.item() == pytest.approx(total / (4 * 3 * 2))


def test_two_accumulated_halves_of_a_batch_are_one_batch():
    """The originals add up the gradients of two halved losses of 32 rows; we take one of 64."""
    schedule = Schedule.cosine(5)
    data, noise = normal(64, 3, 2), normal(64, 3, 2, seed=1)
    steps = torch.arange(64) % 5
    alpha_bars = torch.tensor(schedule.alpha_bars, dtype=torch.float64)
    factor = torch.ones(2, dtype=torch.float64, requires_grad=True)

    def gradient(rows):
        def network(x, k):
            return torch.tanh(x * factor)

        loss = denoising(
            network, data[rows], noise[rows], steps[rows], alpha_bars, KNOWN, torch.ones(3, 2)
        )
        return torch.autograd.grad(loss, factor)[0]

    halves = gradient(slice(0, 32)) / 2 + gradient(slice(32, 64)) / 2
    torch.testing.assert_close(gradient(slice(None)), halves)


def test_guidance_follows_the_gradient_scaled_by_the_variance():
    schedule, x = Schedule.cosine(5), normal(4, 3, 2)

    def score(x, k):
        return -(x - 0.1 * k[:, None, None]).pow(4).sum((1, 2))

    for k in range(5):
        found = guided(x, score, k, schedule, scale=0.3, stop=2)
        if k < 2:
            assert torch.equal(found, x)
            continue
        slow, width = x.clone(), 1e-5
        for b in range(4):
            for h in range(3):
                for d in range(2):
                    ends = []
                    for sign in (1, -1):
                        point = x.clone()
                        point[b, h, d] += sign * width
                        ends.append(score(point, torch.full((4,), k))[b].item())
                    slope = (ends[0] - ends[1]) / (2 * width)
                    slow[b, h, d] += 0.3 * schedule.variance(k) * slope
        torch.testing.assert_close(found, slow, rtol=1e-6, atol=1e-9)


def test_guidance_works_where_no_gradients_are_kept():
    schedule, x = Schedule.cosine(5), normal(4, 3, 2)
    expected = x - 2 * 0.3 * schedule.variance(3) * x

    def score(x, k):
        return -x.square().sum((1, 2))

    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            found = guided(x.clone(), score, 3, schedule, scale=0.3, stop=2)
        torch.testing.assert_close(found, expected)
        assert not found.requires_grad


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("guide", [None, lambda x, k: x + 0.1 * k])
def test_sampling_equals_a_loop_over_entries(clip, guide):
    steps = 4
    betas, alpha_bars = slow_schedule(steps)
    values, noise = normal(2, 3, 2), normal(steps, 2, 3, 2, seed=1)
    guides = [] if guide is None else [guide, guide]
    found = sample(
        lambda x, k: 1.5 * x - 0.2 * k.double()[:, None, None],
        Schedule.cosine(steps),
        values,
        KNOWN,
        noise,
        clip=clip,
        guides=guides,
    )
    for b in range(2):
        for h in range(3):
            for d in range(2):
                # Entries do not see one another here, so each goes its own way.
                known, value = KNOWN[h, d].item(), values[b, h, d].item()
                x = value if known else noise[0, b, h, d].item()
                for number, k in enumerate(range(steps - 1, -1, -1)):
                    for move in guides:
                        x = value if known else move(x, k)
                    data = 1.5 * x - 0.2 * k
                    if clip:
                        data = min(max(data, -1.0), 1.0)
                    before = alpha_bars[k - 1] if k > 0 else 1.0
                    mean = betas[k] * math.sqrt(before) * data
                    mean += (1 - before) * math.sqrt(1 - betas[k]) * x
                    x = mean / (1 - alpha_bars[k])
                    if k > 0:
                        deviation = math.sqrt(betas[k] * (1 - before) / (1 - alpha_bars[k]))
                        x += deviation * noise[number + 1, b, h, d].item()
                    x = value if known else x
                assert found[b, h, d].item() == pytest.approx(x, rel=1e-9, abs=1e-12)


def test_a_network_sees_what_is_known_at_every_step():
    values, noise, seen = normal(2, 3, 2), normal(4, 2, 3, 2, seed=1), []

    def network(x, k):
        seen.append(x)
        return 0.5 * x

    sample(network, Schedule.cosine(4), values, KNOWN, noise)
    sample(network, Schedule.cosine(4), values, KNOWN, noise, guides=[lambda x, k: x + 1])
    assert len(seen) == 8
    assert all(torch.equal(x[:, KNOWN], values[:, KNOWN]) for x in seen)


def test_the_best_denoiser_of_a_normal_distribution_samples_it():
    """Known answer: x_0 ~ N(m, s²), whose E[x_0 given x_k] is linear in x_k."""
    schedule, m, s = Schedule.cosine(200), 0.4, 0.2
    alpha_bars = torch.tensor(schedule.alpha_bars, dtype=torch.float64)

    def network(x, k):
        share = alpha_bars[k][:, None, None]
        gain = share.sqrt() * s**2 / (share * s**2 + 1 - share)
        return m + gain * (x - share.sqrt() * m)

    noise = normal(200, 20_000, 1, 1)
    nothing = torch.zeros(1, 1, dtype=torch.bool)
    found = sample(network, schedule, torch.zeros(20_000, 1, 1), nothing, noise, clip=False)
    assert found.mean().item() == pytest.approx(m, abs=0.01)
    assert found.std().item() == pytest.approx(s, rel=0.05)  # fewer steps, less spread


def test_noised_data_keep_their_variance():
    data, noise = normal(50_000, 1, 1), normal(50_000, 1, 1, seed=1)
    for share in (0.0, 0.3, 1.0):
        x = noised(data, noise, torch.full((50_000,), share, dtype=torch.float64))
        assert x.var().item() == pytest.approx(1.0, rel=0.03)
