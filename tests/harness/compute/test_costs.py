"""Nothing costs 0 unseen: what torch fuses, what it solves, what is sparse or packed, and what threads compute."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import log2
from multiprocessing import get_context
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import flop_registry, register_flop_formula

from harness.compute.costs import cost_of
from harness.compute.flops import Counter, UncountedOperation, flops_forward, flops_train
from harness.compute.free import is_free
from harness.compute.meter import ComputeMeter


def counted(work: Callable[[], Any]) -> float:
    with Counter() as count:
        work()
    return count.flops


def test_attention_costs_the_same_where_torch_fuses_it() -> None:
    attention, x = nn.MultiheadAttention(32, 4, batch_first=True), torch.randn(2, 7, 32)
    expected = 2 * 14 * 4 * 32 * 32 + 4 * 14 * 7 * 32
    assert counted(lambda: attention(x, x, x)) == expected
    attention.eval()
    with torch.inference_mode():
        assert counted(lambda: attention(x, x, x)) == expected
        assert counted(lambda: attention(x, x, x, need_weights=False)) == expected


def test_an_encoder_layer_costs_the_same_where_torch_fuses_it() -> None:
    layer, x = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), torch.randn(2, 7, 32)
    expected = 2 * 14 * (4 * 32 * 32 + 2 * 32 * 64) + 4 * 14 * 7 * 32
    assert counted(lambda: layer(x)) == expected
    with torch.inference_mode():
        assert counted(lambda: layer.eval()(x)) == expected


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_recurrent_layers_cost_their_products(kind: Callable[..., nn.RNNBase], gates: int) -> None:
    net, x = kind(8, 16, 2, bidirectional=True), torch.randn(5, 3, 8, requires_grad=True)
    forward = 2 * 15 * gates * 16 * 2 * ((8 + 16) + (32 + 16))
    assert counted(lambda: net(x)) == forward
    assert counted(lambda: net(x)[0].sum().backward()) == pytest.approx(
        3 * forward, rel=0.05
    )  # First states need no gradient.
    with torch.inference_mode():
        assert counted(lambda: net.eval()(x)) == forward
    assert counted(lambda: net.to("meta")(x.to("meta"))) == forward


A = torch.randn(40, 12, generator=torch.Generator().manual_seed(0))
S = A.T @ A

SOLVED: dict[str, tuple[Callable[[], Any], float]] = {
    "lstsq": (lambda: torch.linalg.lstsq(A, A), 2 * 40 * 144 - 2 * 12**3 // 3 + 12 * (4 * 40 * 12 - 144)),
    "qr": (lambda: torch.linalg.qr(A), 4 * 40 * 144 - 4 * 12**3 // 3),
    "svd": (lambda: torch.linalg.svd(A, full_matrices=False), 6 * 40 * 144 + 20 * 12**3),
    "eigh": (lambda: torch.linalg.eigh(S), 9 * 12**3),
    "cholesky": (lambda: torch.linalg.cholesky(S), 12**3 // 3),
    "inverse": (lambda: torch.linalg.inv(S), 2 * 12**3),
    "triangular": (lambda: torch.linalg.solve_triangular(S, A.T, upper=True), 144 * 40),
    "determinant": (lambda: torch.linalg.det(S), 2 * 12**3 // 3),
    "lu": (lambda: torch.linalg.lu_factor(S), 2 * 12**3 // 3),
    "fourier": (lambda: torch.fft.fft(A.to(torch.complex64), dim=0), 5 * 480 * log2(40)),
    "real fourier": (lambda: torch.fft.rfft(A, dim=0), 2.5 * 480 * log2(40)),
    "complex product": (lambda: S.to(torch.complex64) @ S.to(torch.complex64), 8 * 12**3),
    "in place": (lambda: torch.zeros(12, 12).addmm_(A.T, A), 2 * 40 * 144),
    "einsum": (lambda: torch.einsum("ij,ik->jk", A, A), 2 * 40 * 144),
    "distances": (lambda: torch.cdist(A, A), 2 * 1600 * 14),
    "bilinear": (lambda: nn.functional.bilinear(A, A, torch.ones(5, 12, 12)), 3 * 40 * 5 * 144),
    "sparse": (lambda: torch.sparse.mm(torch.eye(40).to_sparse(), A), 2 * 40 * 12),
    "sparse rows": (lambda: torch.eye(40).to_sparse_csr() @ A, 2 * 40 * 12),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Sparse CSR")
@pytest.mark.parametrize("name", SOLVED)
def test_solvers_transforms_and_sparse_products_are_counted(name: str) -> None:
    work, expected = SOLVED[name]
    assert counted(work) == pytest.approx(expected, rel=1e-3)
    with torch.inference_mode():
        assert counted(work) == pytest.approx(expected, rel=1e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_layer_of_integers_costs_its_products() -> None:
    net = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(12, 4)), {nn.Linear})
    assert counted(lambda: net(A)) == 2 * 40 * 12 * 4


def test_what_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(UncountedOperation, match="aten::linalg_matrix_exp has no known cost"), Counter():
        torch.linalg.matrix_exp(S)


def test_an_operation_of_ones_own_is_refused_until_its_cost_is_registered() -> None:
    @torch.library.custom_op("nevis_test::product", mutates_args=())
    def product(x: torch.Tensor) -> torch.Tensor:
        return x @ x

    with pytest.raises(UncountedOperation, match="nevis_test::product"), Counter():
        product(S)
    register_flop_formula(torch.ops.nevis_test.product)(lambda shape, *_, **__: 2 * shape[0] ** 3)
    try:
        assert counted(lambda: product(S)) == 2 * 12**3
    finally:
        del flop_registry[torch.ops.nevis_test.product]


HEAVY = ("conv", "mm", "linalg", "rnn", "lstm", "attention", "fft", "matmul", "solve", "svd", "dot")


def test_nothing_that_multiplies_matrices_is_called_free() -> None:
    """Over all operations of torch: what sounds like work is counted or refused."""
    harmless = {"dropout", "convert", "prepack", "unpack", "vector_norm", "powsum", "cross", "check_errors", "_copy",
                "fused_sdp_choice", "flatten_weight", "lstm_cell", "softmax", "fftfreq", "transform_bias", "reorder",
                "fill_mem", "commit", "dequantize", "comm", "rnn_layer", "dummy", "gamma", "cumm", "hamming",
                "diagonal", "resolve"}  # fmt: skip
    for schema in torch._C._jit_get_all_schemas():
        namespace, _, leaf = schema.name.partition("::")
        if namespace not in ("aten", "quantized") or not any(word in leaf for word in HEAVY):
            continue
        packet = getattr(getattr(torch.ops, namespace), leaf, None)
        if packet is None or any(word in leaf for word in harmless):
            continue
        overload = getattr(packet, packet.overloads()[0])
        assert cost_of(overload) is not None or not is_free(overload), schema.name


class _Worker(threading.Thread):
    def run(self) -> None:
        _ = S @ S


def _in_pool() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: S @ S).result()


def _in_thread() -> None:
    thread = _Worker()
    thread.start()
    thread.join()


@pytest.mark.parametrize("work", [_in_thread, _in_pool])
def test_what_threads_compute_is_charged_in_every_step(work: Callable[[], None]) -> None:
    net = nn.Linear(12, 3)
    with ComputeMeter() as meter:
        work()
        assert meter.spent_flops == 2 * 12**3
        price = meter.price(net, (12,))
        for _ in range(3):  # The first is counted, the others are charged by their price.
            with meter.step(price, 2):
                net(torch.zeros(2, 12)).sum().backward()
                work()
    assert meter.spent_flops == 4 * 2 * 12**3 + 3 * 2 * (2 * 12 * 3) * 2


def _multiply(queue: Any) -> None:
    try:
        _ = S @ S
        queue.put("done")
    except UncountedOperation as error:
        queue.put(str(error))


def test_a_forked_process_does_not_compute_for_nothing() -> None:
    context = get_context("fork")
    queue = context.SimpleQueue()
    with ComputeMeter():
        process = context.Process(target=_multiply, args=(queue,))
        process.start()
        answer = queue.get()
        process.join()
    assert "nobody counts there" in answer


def test_a_backbone_costs_the_same_in_train_and_eval_mode() -> None:
    from torchvision.models import vit_b_32

    net = vit_b_32(image_size=32).eval()
    expected = flops_forward(net, 1, 3, 32, 32)
    with torch.inference_mode():
        assert counted(lambda: net(torch.zeros(1, 3, 32, 32))) == expected
    assert counted(lambda: net.train()(torch.zeros(1, 3, 32, 32)).sum().backward()) == flops_train(net, 1, 3, 32, 32)
