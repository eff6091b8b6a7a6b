"""The engine that runs language models, and how text is drawn from them."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from kun.settings.base import Section


class Vllm(Section):
    gpu_memory: float = Field(
        0.9, gt=0, le=1, description="share of each GPU's memory for weights, keys and values; less where a second program uses it"
    )
    context: int | None = Field(None, ge=2, description="longest prompt with its completion, in tokens; null: as the model says")
    eager: bool = Field(False, description="start at once, without recording CUDA graphs; slower afterwards. On a CPU always so")
    cpu_cache_gigabytes: float = Field(1, gt=0, description="on a CPU: memory for keys and values")
    arguments: dict[str, Any] = Field(
        {}, description="more arguments of vLLM's LLM, by their own names (quantization, max_num_seqs, kv_cache_dtype, …)"
    )


Role = Literal["label", "point", "answer", "final", "causal"]
# No name and password in it: settings are printed, and kept in the workflow's records.
Address = Annotated[str, StringConstraints(pattern=r"^https?://[^/@\s]+(/[^@\s]*)?$")]


class OpenAI(Section):
    servers: list[Address] | dict[Role, list[Address]] = Field(
        [],
        description="base addresses, as http://node7:8000/v1: a list for all models, or {label: […], point: […], answer: […], causal: […]}, "
        "and final for the judge of a second round. "
        "A key, where one is needed, stands in the environment variable KUN_OPENAI_KEY or OPENAI_API_KEY, never here",
    )
    model: str | dict[Role, str] | None = Field(
        None, description="the name to ask for, or one for each role; null: the one that the servers list"
    )
    prompts: Literal["tokens", "chat"] = Field(
        "tokens",
        description="tokens: encoded here, control tokens in a text stay text; needs the model's tokenizer · chat: encoded by the server",
    )
    context: int | None = Field(
        None, ge=2, description="longest prompt with its completion, in tokens; null: as the server or model says"
    )
    at_once: int = Field(64, ge=1, description="requests on their way to each server")
    timeout_minutes: float = Field(10, gt=0, description="an answer that takes longer is given up and asked for again")
    patience_minutes: float = Field(30, gt=0, description="so long without any answer ends the run")

    def of_role(self, role: Role) -> "OpenAI":
        """The same with what belongs to one role's model."""
        servers = self.servers.get(role, []) if isinstance(self.servers, dict) else self.servers
        model = self.model.get(role) if isinstance(self.model, dict) else self.model
        return self.model_copy(update={"servers": servers, "model": model})


class Engine(Section):
    name: Literal["transformers", "vllm", "openai"] = Field(
        "transformers",
        description="transformers: on the CPU or one GPU · vllm: many times as fast on GPUs; installed by `make install-vllm` · openai: "
        "servers with OpenAI's interface (vLLM, SGLang, llama.cpp, …)",
    )
    batch: int = Field(
        32, ge=1, description="requests handed over at once; transformers computes them together, vllm wants several hundred"
    )
    threads: int = Field(8, ge=1, description="CPU threads of one job; part of the result on a CPU, so it never follows --cores")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="auto: on a GPU as the weights are stored (vllm: float32 ones as bfloat16); on a CPU bfloat16 where native, else float32",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: a GPU where there is one; vllm runs on what it was built for"
    )
    vllm: Vllm = Field(Vllm(), description="what only vllm has to know")
    openai: OpenAI = Field(OpenAI(), description="what only openai has to know")


# How text is drawn, by name: the published figures of Kun and of Humpback, and without chance.
PRESETS = {
    "kun": {"max_tokens": 1024, "temperature": 0.5, "top_p": 0.95, "repetition_penalty": 1.2},
    "humpback": {"max_tokens": 1024, "temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.0},
    "greedy": {"max_tokens": 1024, "temperature": 0.0, "top_p": 1.0, "repetition_penalty": 1.0},
}


class Decoding(Section):
    preset: Literal["kun", "humpback", "greedy"] = Field(
        "kun",
        description="what holds where a figure is null. kun: temperature 0.5, top_p 0.95, repetition_penalty 1.2 · humpback: 0.7, 0.9, 1 · "
        "greedy: the likeliest token; max_tokens 1024",
    )
    max_tokens: int | None = Field(None, ge=1, description="longest completion; one that reaches it counts as truncated")
    temperature: float | None = Field(None, ge=0, description="0: always the likeliest token")
    top_p: float | None = Field(None, gt=0, le=1, description="draw from the likeliest tokens that make up this mass")
    repetition_penalty: float | None = Field(
        None, ge=1, description="1: none. It counts the prompt's tokens as well, so it also discourages quoting the text"
    )

    def drawn(self) -> dict[str, float]:
        """All figures: those that are given, and the preset's."""
        return PRESETS[self.preset] | {
            name: value for name, value in self.model_dump(exclude={"preset"}).items() if value is not None
        }
