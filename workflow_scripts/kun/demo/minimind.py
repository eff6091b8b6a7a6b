"""MiniMind2-Small out of its ONNX file: int8 weights become float32, under the names that LlamaForCausalLM loads.

Each matrix was quantised with one scale and one zero point, weight = scale * (integer - zero point), and is stored transposed under a
number; the name of the node that multiplies with it tells which one it is (/model/layers.0/self_attn/q_proj/MatMul_quant).
The output layer is tied to the embedding, so its copy in the file is left out.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file

COPIED = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json")


def weights_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The model's weights in float32 by their PyTorch names, matrices as (out, in)."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = {name: array for name, array in stored.items() if name.endswith("norm.weight")}
    weights["model.embed_tokens.weight"] = dequantised(stored, "model.embed_tokens.weight")
    for node in model.graph.node:
        if node.op_type == "MatMulInteger" and node.name.startswith("/model/"):
            name = node.name.removeprefix("/").removesuffix("/MatMul_quant").replace("/", ".") + ".weight"
            weights[name] = np.ascontiguousarray(dequantised(stored, node.input[1].removesuffix("_quantized")).T)
    return {name: weights[name].astype(np.float32) for name in sorted(weights)}


def dequantised(stored: dict[str, np.ndarray], name: str) -> np.ndarray:
    integers = stored[f"{name}_quantized"].astype(np.float32)
    return stored[f"{name}_scale"].astype(np.float32) * (integers - stored[f"{name}_zero_point"].astype(np.float32))


def expected_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    """What a Llama model of this configuration is made of: name and shape of every weight."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    layer = {
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (config["vocab_size"], hidden),
        "model.norm.weight": (hidden,),
    }
    for number in range(config["num_hidden_layers"]):
        shapes |= {f"model.layers.{number}.{part}.weight": shape for part, shape in layer.items()}
    return shapes


def write_model(files: dict[str, bytes], folder: Path) -> None:
    """Write the model that the package's files hold as a Hugging Face folder. Raises ValueError if a weight is missing, extra or misshapen."""
    config = json.loads(files["config.json"]) | {"dtype": "float32"}
    weights = weights_of(onnx.load_from_string(files["onnx/model_quantized.onnx"]))
    found = {name: array.shape for name, array in weights.items()}
    expected = expected_shapes(config)
    wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if wrong or not config["tie_word_embeddings"]:
        raise ValueError(f"the ONNX file does not hold the model of its config.json; weights that differ: {wrong}")
    folder.mkdir(parents=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8", newline="\n")
    for name in COPIED:
        (folder / name).write_bytes(files[name])
