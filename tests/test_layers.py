"""The hand-written step and the stack, compared with nn.LSTM; locked dropout, with its definition."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from poet_model.layers import (
    HandwrittenLSTM,
    HandwrittenRNN,
    LockedDropout,
    LSTMStack,
)
from poet_model.stepper import RowProduct, StackedCells


def random_stack(hidden_size: int = 24, num_layers: int = 3, **dropout) -> LSTMStack:
    torch.manual_seed(1)
    stack = LSTMStack(hidden_size, num_layers, **dropout)
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.uniform_(-0.6, 0.6)
    return stack


def same_weights(stack: LSTMStack) -> nn.LSTM:
    """A multi-layer nn.LSTM with the weights of the stack."""
    width = stack.layers[0].hidden_size
    lstm = nn.LSTM(width, width, num_layers=len(stack.layers), batch_first=True)
    with torch.no_grad():
        for index, layer in enumerate(stack.layers):
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(lstm, f"{name}_l{index}").copy_(getattr(layer, f"{name}_l0"))
    return lstm


@pytest.mark.parametrize("batch_size", [1, 5])
def test_stack_is_one_multilayer_lstm(batch_size):
    stack = random_stack()
    x = torch.randn(batch_size, 11, 24)
    state = torch.randn(3, batch_size, 24), torch.randn(3, batch_size, 24)
    for before in (None, state):
        outputs, after = stack(x, before)
        expected, expected_after = same_weights(stack)(x, before)
        torch.testing.assert_close(outputs, expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(after, expected_after, atol=1e-5, rtol=0)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_steps_over_a_sequence_are_the_lstm(batch_size):
    stack = random_stack()
    x = torch.randn(batch_size, 17, 24)
    state = torch.randn(3, batch_size, 24), torch.randn(3, batch_size, 24)
    expected, expected_after = same_weights(stack)(x, state)
    cells = StackedCells(stack.layers)
    for time in range(x.shape[1]):
        output, state = cells.step(x[:, time], state)
        torch.testing.assert_close(output, expected[:, time], atol=1e-5, rtol=0)
    torch.testing.assert_close(state, expected_after, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("ours", "theirs"), [(HandwrittenLSTM, nn.LSTM), (HandwrittenRNN, nn.RNN)])
@pytest.mark.parametrize("with_state", [False, True])
def test_handwritten_cells_have_torchs_outputs_and_gradients(ours, theirs, with_state):
    torch.manual_seed(2)
    layer, twin = ours(7, 24), theirs(7, 24, batch_first=True)
    layer.load_state_dict(twin.state_dict())
    x, weights = torch.randn(5, 11, 7, requires_grad=True), torch.randn(5, 11, 24)
    twin_x = x.detach().clone().requires_grad_()
    state = tuple(torch.randn(1, 5, 24) for _ in range(2)) if with_state else None
    outputs, after = layer(x, state)
    is_rnn = theirs is nn.RNN
    expected, expected_after = twin(twin_x, state[0] if state and is_rnn else state)
    torch.testing.assert_close(outputs, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(after[0] if is_rnn else after, expected_after, atol=1e-5, rtol=0)
    (outputs * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(x.grad, twin_x.grad, atol=1e-5, rtol=1e-5)
    for name, parameter in twin.named_parameters():
        torch.testing.assert_close(getattr(layer, name).grad, parameter.grad, atol=1e-5, rtol=1e-5)


def test_stacks_of_either_lstm_take_each_others_weights():
    fused, by_hand = random_stack(), LSTMStack(24, 3, cell="handwritten_lstm")
    by_hand.load_state_dict(fused.state_dict())
    x, state = torch.randn(2, 9, 24), (torch.randn(3, 2, 24), torch.randn(3, 2, 24))
    for part in (None, state):
        torch.testing.assert_close(by_hand(x, part), fused(x, part), atol=1e-5, rtol=0)


def test_steps_of_an_rnn_are_its_forward():
    torch.manual_seed(3)
    stack = LSTMStack(24, 2, cell="handwritten_rnn")
    x = torch.randn(3, 6, 24)
    expected, (expected_hidden, _) = stack(x)
    cells = StackedCells(stack.layers)
    state = tuple(part.expand(-1, 3, -1) for part in cells.zero_state())
    for time in range(x.shape[1]):
        output, state = cells.step(x[:, time], state)
        torch.testing.assert_close(output, expected[:, time], atol=1e-5, rtol=0)
    torch.testing.assert_close(state[0], expected_hidden, atol=1e-5, rtol=0)


@pytest.fixture
def threads():
    """Sets the number of torch's threads, and restores it afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 7])
def test_the_number_of_threads_changes_speed_alone(threads, number):
    threads(number)
    stack, x = random_stack(), torch.randn(2, 24)
    state = torch.randn(3, 2, 24), torch.randn(3, 2, 24)
    expected = same_weights(stack)(x[:, None], state)
    output, after = StackedCells(stack.layers).step(x, state)
    torch.testing.assert_close(output, expected[0][:, 0], atol=1e-5, rtol=0)
    torch.testing.assert_close(after, expected[1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("rows", [1, 3, 64])
@pytest.mark.parametrize("size", [1, 9, 2048])
def test_row_product_is_the_linear_layer_whatever_its_weights(rows, size):
    x, weight, bias = torch.randn(rows, 48), torch.randn(size, 48), torch.randn(size)
    torch.testing.assert_close(RowProduct(weight, bias)(x), F.linear(x, weight, bias), atol=1e-5, rtol=0)
    weight = weight.half().float()  # as in a saved model, with subnormal numbers of float16
    weight[0, :4] = torch.tensor([0.0, 6e-8, -3e-6, 65504.0]).half()
    exact = F.linear(x.double(), weight.double(), bias.double())
    given = RowProduct(weight, bias)(x)
    torch.testing.assert_close(given, exact.float(), atol=1e-5, rtol=1e-6)


@pytest.mark.skipif(torch.backends.quantized.engine not in ("x86", "fbgemm"), reason="FBGEMM is for x86")
def test_only_weights_that_float16_holds_exactly_are_read_as_float16():
    weight, bias = torch.randn(8, 8), torch.randn(8)
    assert RowProduct(weight, bias)._packed is None
    assert RowProduct(weight.half().float(), bias)._packed is not None
    assert RowProduct(torch.full((8, 8), 1e6), bias)._packed is None  # beyond float16
    assert RowProduct(weight.bfloat16().float().double(), bias.double())._packed is None


def test_step_leaves_its_arguments_alone():
    cells = StackedCells(random_stack().layers)
    x, state = torch.randn(2, 24), (torch.randn(3, 2, 24), torch.randn(3, 2, 24))
    copies = [part.clone() for part in (x, *state)]
    first = cells.step(x, state)
    assert all(map(torch.equal, (x, *state), copies))
    assert torch.equal(first[0], cells.step(x, state)[0])


def test_locked_dropout_has_one_mask_for_all_time_steps_and_another_for_each_row():
    torch.manual_seed(0)
    dropped = LockedDropout(0.4)(torch.ones(6, 20, 50))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert len({tuple(row.tolist()) for row in dropped[:, 0]}) == 6
    assert dropped.unique().tolist() == [0.0, pytest.approx(1 / 0.6)]


def test_locked_dropout_keeps_the_expectation():
    torch.manual_seed(0)
    x = torch.rand(1, 1, 8) + 0.5
    mean = LockedDropout(0.3)(x.expand(40_000, 1, 8)).mean(dim=0, keepdim=True)
    torch.testing.assert_close(mean, x, rtol=0.03, atol=0)  # 9 standard errors


def test_dropout_is_off_in_evaluation_and_at_rate_zero():
    x = torch.randn(2, 3, 4)
    assert LockedDropout(0.5).eval()(x) is x
    assert LockedDropout(0.0).train()(x) is x
    stack = random_stack(input_dropout=0.5, layer_dropout=0.5, output_dropout=0.5)
    x = torch.randn(2, 7, 24)
    torch.testing.assert_close(stack.eval()(x)[0], same_weights(stack)(x)[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("place", ["input_dropout", "layer_dropout", "output_dropout"])
def test_each_dropout_of_the_stack_acts_in_its_place(place):
    stack = random_stack(**{place: 0.5}).train()
    x = torch.randn(2, 7, 24)
    outputs, (hidden, _) = stack(x)
    clean, (clean_hidden, _) = same_weights(stack)(x)
    assert not torch.allclose(outputs, clean)
    is_clean = [torch.allclose(a, b, atol=1e-5) for a, b in zip(hidden, clean_hidden, strict=True)]
    assert (
        is_clean
        == {
            "input_dropout": [False, False, False],
            "layer_dropout": [True, False, False],
            "output_dropout": [True, True, True],
        }[place]
    )


def test_gradients_go_through_the_stack_to_every_weight():
    stack = random_stack()
    stack(torch.randn(2, 4, 24))[0].sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in stack.parameters())
