"""Which engine runs a model. An engine's libraries are imported here, when it is loaded, and nowhere before."""

from typing import Any

from kun.completions.ask import Engine as Running
from kun.completions.store import Store
from kun.settings.completions import Engine


def load_engine(
    model: dict[str, Any], settings: Engine, trust_remote_code: bool, store: Store, gpus: int = 0, speculate: int = 0
) -> Running:
    """The engine that `settings` name, with the described model, on so many GPUs; `speculate`: tokens that vLLM guesses from the prompt.
    What it answers goes into the store from now on bears its versions."""
    if settings.name == "vllm":
        from kun.completions.vllm_engine import VllmEngine

        store.engine |= VllmEngine.version()
        return VllmEngine(model["path"], settings, model.get("chat_template"), trust_remote_code, gpus, speculate)
    if settings.name == "openai":
        from kun.completions.openai_engine import OpenAIEngine

        engine = OpenAIEngine(model, settings.openai, trust_remote_code)
        store.engine |= engine.version()
        return engine
    from kun.completions.transformers_engine import TransformersEngine

    store.engine |= TransformersEngine.version()
    return TransformersEngine(model["path"], settings, model.get("chat_template"), trust_remote_code)
