"""Which operations are known to cost nothing worth counting? Those that touch each element a few times.

Norms, activations, pooling, resampling, losses, copies, random numbers and the optimiser: 0.5 to 3.5 % of a training
step. What is neither here nor in the table of costs is refused, since work that nobody counts would be free.
"""

import re
from typing import Any

import torch

from harness.compute.costs import name_of

_TAGS = {torch.Tag.pointwise, *([torch.Tag.reduction] if hasattr(torch.Tag, "reduction") else [])}

_NAMESPACES = {"prim", "profiler", "c10d", "_c10d_functional", "_c10d_functional_autograd", "image", "streams", "onnx"}
"""Bookkeeping, messages between processes, and files."""

_FREE = r"""
# made and filled
(new_)?(empty|zeros|ones|full|rand|randn|randint)(_like|_strided|_permuted|_quantized)?
|arange|range|linspace|logspace|eye|scalar_tensor|(tril|triu)_indices|\w+_window|fft_r?fftfreq|efficientzerotensor
|empty_(affine|per_channel_affine)_quantized|new_zeros_with_same_feature_meta|complex|polar|from_file
# drawn
|bernoulli|binomial|cauchy|exponential|geometric|log_normal|multinomial|normal(_functional)?|poisson|uniform|random
|randperm|(sample_)?dirichlet(_grad)?|standard_gamma(_grad)?|philox_\w+|native_dropout|fused_dropout|masked_scale
|cudnn_init_dropout_state|rrelu_with_noise\w*
# copied, viewed, moved
|\w+_copy|alias|as_strided(_scatter)?|assert\w*|functional_assert\w*|cat|chunk_cat|stack|clone|copy\w*|lazy_clone
|constant_pad_nd|contiguous|detach|diag_embed|diagonal(_scatter)?|expand|flip|roll|rot90|fill|zero|lift\w*|narrow
|permute|pin_memory|is_pinned|repeat|repeat_interleave|reshape_alias|resize\w*|select(_scatter)?|set|slice(_scatter)?
|split\w*|squeeze|t|to_copy|transpose|tril|triu|unfold|unsafe_(split\w*|view|index\w*|masked_index\w*)|unsqueeze|view\w*
|pixel_(un)?shuffle|channel_shuffle|block_diag|col2im|im2col|mkldnn_(reshape|transpose|reorder_\w+)|to_mkldnn|record_stream
|dim[IV]|(dense|sparse)_dim|local_scalar_dense|has_same_storage_numel|is_same_size|is_set_to|resize_output|copy_from\w*
|reflection_pad\dd|replication_pad\dd|print|(functional_)?sym_constrain_range\w*|allclose|is_(all|any)_true|hash_tensor
|make_dep_token|shallow_copy_data
# looked up
|bincount|bucketize|embedding(_renorm|_dense)?|embedding_bag\w*|gather|histc|histogram\w*|index\w*|isin|kthvalue
|masked_(fill|scatter|select)|(nan)?median|mode|nonzero(_static)?|put|scatter\w*|searchsorted|sort|take|topk|unique\w*
# summed and smoothed over elements
|a?minmax|cum(max|min|prod|sum)|cum(max|min)_helper|logcumsumexp|cross|linalg_cross|renorm|segment_reduce|sum|trace
|native_norm|dist|addr|weight_norm_interface
|(native_)?(batch|group|layer)_norm\w*|native_batch_norm_legit\w*|(cudnn|miopen)_batch_norm|fused_rms_norm
# activations and losses
|(safe_|log_|masked_)?softmax(_data)?|prelu_kernel|elu|glu(_jvp)?|log_sigmoid(_forward)?|floor_divide|__i?[lr]shift__
|(hard|soft)\w+|leaky_relu|add_relu|threshold
|gelu|silu|mish|binary_cross_entropy\w*|(smooth_l1|huber|mse|nll)_loss\w*|nll_loss2d\w*|(multi|soft)\w*margin_loss\w*
|(cudnn_)?ctc_loss|use_(cudnn|miopen)_ctc_loss|miopen_ctc_loss|thnn_fused_(gru|lstm)_cell(_backward_impl)?
# pooled and resampled
|(mkldnn_)?(adaptive_)?(avg|max)_pool\dd(_with_indices)?|fractional_max_pool\dd|max_unpool\dd|quantized_max_pool\dd
|upsample_\w+|(cudnn_)?grid_sampler\w*|(cudnn_)?affine_grid_generator
# the optimiser, and number formats
|foreach_(?!mm)\w+|fused_(adagrad|adam|adamw|sgd)|amp_\w+|fake_quantize\w*|fused_moving_avg\w*|quantize_per\w+|dequantize
|int_repr|make_per_\w+|q_\w+|qscheme|quantized_batch_norm|convert_weight_\w+|dyn_quant_pack\w+|to_sparse_semi_structured
# sparse and packed tensors, unpacked
|coalesced?|is_coalesced|convert_indices_\w+|nnz|to_dense|to_sparse\w*|sparse_(compressed|coo)_tensor\w*|sparse_mask\w*
|sparse_resize\w*|sparse_(csr_)?(sum|prod)|sparse_(log_)?softmax(_data)?|sparse_broadcast_to|spdiags|(c?col|c?row)_indices
|indices|values|validate_\w+|copy_sparse_to_sparse|pack_padded_sequence|(padded_dense|jagged)_to_\w+|to_padded_tensor
|nested_\w+|cudnn_rnn_flatten_weight|transform_bias_rescale_qkv|lu_unpack|linalg_check_errors|fused_sdp_choice
|fill_mem_eff_dropout_mask
"""
_ATEN = re.compile(rf"aten::_*({_FREE})(_backward\w*)?_?", re.VERBOSE)

_OTHERS = re.compile(
    r"torchvision::_?q?(nms|roi_align|roi_pool|ps_roi_align|ps_roi_pool|box_iou_rotated|cuda_version)(_backward)?"
    r"|quantized::(add|mul|cat|batch_norm|layer_norm|group_norm|instance_norm|clamp|elu|celu|gelu|hardswish|leaky_relu"
    r"|prelu|relu|sigmoid|softmax|threshold|max_pool|dropout|embedding|make_quantized|(conv|linear)\w*_(un|pre)pack)\w*"
)


def is_free(func: Any) -> bool:
    """Whether an operation is known to do no more than touch its elements: by torch's own tags, or by name."""
    name = name_of(func)
    if name.partition("::")[0] in _NAMESPACES:
        return True
    return bool(_ATEN.fullmatch(name) or _OTHERS.fullmatch(name) or _only_views(func) or _tagged(name))


def _tagged(name: str) -> bool:
    """Whether torch calls any form of an operation pointwise or a reduction; forms in place often go without a tag."""
    namespace, _, leaf = name.partition("::")
    for form in (leaf, leaf.removesuffix("_")):
        packet = getattr(getattr(torch.ops, namespace, None), form, None)
        if packet is not None and any(_TAGS & set(getattr(packet, one).tags) for one in packet.overloads()):
            return True
    return False


def _only_views(func: Any) -> bool:
    """Whether what comes out is what went in, looked at in another way."""
    schema = getattr(func, "_schema", None)
    if schema is None or not schema.returns:
        return False
    return all(out.alias_info is not None and not out.alias_info.is_write for out in schema.returns)
