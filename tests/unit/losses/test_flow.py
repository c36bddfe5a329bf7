import torch

from mac.losses.flow import euler, flow_matching


def test_the_true_velocity_of_a_pair_has_no_loss():
    data, noise, times = torch.randn(4, 3), torch.randn(4, 3), torch.rand(4, 1)
    assert flow_matching(lambda x, t: data - noise, data, noise, times).item() == 0.0


def test_points_lie_on_the_straight_path():
    data, noise, times = torch.ones(1, 2), torch.zeros(1, 2), torch.tensor([[0.25]])
    seen = []

    def field(x, t):
        seen.append((x, t))
        return torch.zeros_like(x)

    assert flow_matching(field, data, noise, times).item() == 1.0
    torch.testing.assert_close(seen[0][0], torch.full((1, 2), 0.25))


def test_euler_visits_the_left_end_of_every_step_and_does_not_clip():
    times = []

    def field(x, t):
        times.append(t.flatten().tolist())
        return torch.full_like(x, 3.0)

    out = euler(field, torch.zeros(2, 4), 5)
    assert times == [[i / 5, i / 5] for i in range(5)] or torch.allclose(
        torch.tensor(times), torch.arange(5)[:, None].expand(5, 2) / 5
    )
    torch.testing.assert_close(out, torch.full((2, 4), 3.0))
