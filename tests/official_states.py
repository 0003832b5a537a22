"""State dicts with the names and shapes of published checkpoints, filled at random.

Names and shapes are those of the repositories named in `imlgcn.official.entries`. Shapes: L labels,
C channels of the trunk.
"""

from __future__ import annotations

import re

import timm
import torch
import torchvision

Shapes = dict[str, tuple[int, ...]]


def attention(name: str, D: int) -> Shapes:
    return {
        f"{name}.in_proj_weight": (3 * D, D),
        f"{name}.in_proj_bias": (3 * D,),
        **linear(f"{name}.out_proj", D, D),
    }


def linear(name: str, D: int, E: int) -> Shapes:
    return {f"{name}.weight": (E, D), f"{name}.bias": (E,)}


def norms(name: str, D: int, *numbers: int) -> Shapes:
    names = [f"{name}{number}" for number in numbers] or [name]
    return {f"{n}.{kind}": (D,) for n in names for kind in ("weight", "bias")}


def asl(L: int, C: int) -> Shapes:
    return linear("head.fc", C, L)


def ml_decoder(L: int, C: int, *, width: int = 768, groups: int = 100) -> Shapes:
    G = min(groups, L)
    layer = "head.decoder.layers.0"
    return {
        **linear("head.decoder.embed_standart", C, width),
        "head.decoder.query_embed.weight": (G, width),
        **norms(f"{layer}.norm", width, 1, 2, 3),
        **attention(f"{layer}.multihead_attn", width),
        **linear(f"{layer}.linear1", width, 2048),
        **linear(f"{layer}.linear2", 2048, width),
        "head.decoder.duplicate_pooling": (G, width, -(-L // G)),
        "head.decoder.duplicate_pooling_bias": (L,),
    }


def ml_gcn(L: int, C: int, *, hidden: int = 1024, words: int = 300) -> Shapes:
    return {"A": (L, L), "gc1.weight": (words, hidden), "gc2.weight": (hidden, C)}


def ssgrl(L: int, C: int, *, width: int = 1024, output: int = 2048, words: int = 300) -> Shapes:
    shapes = {"word_semantic.fc_1.weight": (width, C), "word_semantic.fc_2.weight": (width, words)}
    shapes |= linear("word_semantic.fc_3", width, width) | linear("word_semantic.fc_a", width, 1)
    for gate in ("eq3", "eq4", "eq5"):
        shapes |= linear(f"graph_net.fc_{gate}_w", 2 * C, C)
        shapes |= linear(f"graph_net.fc_{gate}_u", C, C)
    shapes |= linear("fc_output", 2 * C, output)
    return {**shapes, "classifiers.weight": (L, output), "classifiers.bias": (L,)}


def c_tran(L: int, C: int, *, layers: int = 3) -> Shapes:
    shapes = {"label_lt.weight": (L, C), "known_label_lt.weight": (3, C)}
    shapes |= norms("LayerNorm", C) | linear("output_linear", C, L)
    for layer in (f"self_attn_layers.{i}.transformer_layer" for i in range(layers)):
        shapes |= attention(f"{layer}.self_attn", C) | norms(f"{layer}.norm", C, 1, 2)
        shapes |= linear(f"{layer}.linear1", C, C) | linear(f"{layer}.linear2", C, C)
    return shapes


def query2label(L: int, C: int, *, inner: int = 8192) -> Shapes:
    shapes = {"input_proj.weight": (C, C, 1, 1), "input_proj.bias": (C,)}
    shapes |= {"query_embed.weight": (L, C), "fc.W": (1, L, C), "fc.b": (1, L)}
    shapes |= norms("transformer.decoder.norm", C)
    for number, part in enumerate(["encoder.layers.0", "decoder.layers.0", "decoder.layers.1"]):
        layer = f"transformer.{part}"
        kind = "multihead_attn" if number else "self_attn"
        shapes |= attention(f"{layer}.{kind}", C)
        shapes |= linear(f"{layer}.linear1", C, inner) | linear(f"{layer}.linear2", inner, C)
        shapes |= norms(f"{layer}.norm", C, *((2, 3) if number else (1, 2)))
    return shapes


def csra(L: int, C: int, *, heads: int = 4) -> Shapes:
    return {f"classifier.multi_head.{i}.head.weight": (L, C, 1, 1) for i in range(heads)}


HEADS = {
    "asl": asl,
    "ml_decoder": ml_decoder,
    "ml_gcn": ml_gcn,
    "ssgrl": ssgrl,
    "c_tran": c_tran,
    "query2label": query2label,
    "csra": csra,
}
# torchvision's name of an entry -> the system's; Query2Label's frozen norms have no counters
COUNTED = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
TRUNKS = {
    "ml_gcn": lambda key: f"features.{COUNTED[key.split('.')[0]]}.{key.partition('.')[2]}",
    "ssgrl": lambda key: f"resnet_101.{key}",
    "c_tran": lambda key: f"backbone.base_network.{key}",
    "query2label": lambda key: f"backbone.0.body.{key}",
    "csra": lambda key: key,
}


def head_state(system: str, L: int, C: int, **sizes: int) -> dict[str, torch.Tensor]:
    """Return a head's entries: small random numbers, and a graph with positive rows."""
    shapes = HEADS[system](L, C, **sizes)
    state = {name: torch.randn(shape) / max(shape[-1], 4) ** 0.5 for name, shape in shapes.items()}
    return state | ({"A": torch.eye(L) + 0.2 * torch.rand(L, L)} if system == "ml_gcn" else {})


def resnet(name: str) -> torch.nn.Module:
    """Return torchvision's network with random batch norms, in evaluation mode."""
    model = getattr(torchvision.models, name)(weights=None).eval()
    for key, value in model.state_dict().items():
        if re.search(r"(bn\d|downsample\.1)\.(weight|bias|running)", key):
            value.copy_(torch.rand_like(value) / 2 + (0.5 if "bias" not in key else -0.25))
    return model


def resnet_maps(model: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return torchvision's last map."""
    layers = [module for name, module in model.named_children() if name not in ("avgpool", "fc")]
    return torch.nn.Sequential(*layers)(images)


def resnet_state(system: str, model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the entries of the trunk under the system's names; C-Tran's keeps its ``fc``."""
    state = model.state_dict()
    return {
        TRUNKS[system](key): value
        for key, value in state.items()
        if (system == "c_tran" or not key.startswith("fc."))
        and (system != "query2label" or not key.endswith("num_batches_tracked"))
    }


def tresnet(name: str = "tresnet_m") -> torch.nn.Module:
    """Return timm's network without its classifier, in evaluation mode."""
    model = timm.create_model(name, num_classes=0, global_pool="").eval()
    for key, value in model.state_dict().items():
        if re.search(r"bn\.(weight|running_var)", key):
            value.copy_(torch.rand_like(value) / 2 + 0.5)
    return model


def tresnet_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return its entries in the MIIL layout, where in-place batch norm scales by |w| + 1e-5.

    A convolution and its norm are 0 and 1 of a pair, which is itself 0 of a pair before a blur.
    """
    state = {}
    for key, value in model.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        strided = re.match(r"body\.layer2\.0\.conv1|body\.layer[34]\.0\.conv2", key)
        convolution, norm = ("0.0", "0.1") if strided else ("0", "1")
        name = key.replace(".conv.", f".{convolution}.").replace(".bn.", f".{norm}.")
        state[name] = 1e-5 - value if key.endswith("bn.weight") else value  # a negative scale
    return state
