import torch

from mac.components.select import best_of


def test_takes_the_highest_score_of_each_row_and_the_first_on_ties():
    candidates = torch.arange(3 * 2 * 1 * 1).reshape(3, 2, 1, 1).float()
    scores = torch.tensor([[0.0, 5.0], [2.0, 5.0], [1.0, 1.0]])
    assert best_of(candidates, scores).flatten().tolist() == [2.0, 1.0]


def test_best_of_one_is_the_sample_itself():
    candidates = torch.randn(1, 4, 2, 3)
    assert torch.equal(best_of(candidates, torch.zeros(1, 4)), candidates[0])
