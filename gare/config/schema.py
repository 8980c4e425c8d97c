"""The JSON Schema (draft 2020-12) of the configuration files, for editors and other programs."""

from typing import Any

from pydantic import BaseModel

from gare.config.meanings import meanings, models_in
from gare.config.models import ProjectConfig, StationConfig
from gare.config.trains import TrainConfig

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_MODELS: dict[str, type[BaseModel]] = {
    "station": StationConfig,
    "project": ProjectConfig,
    "train": TrainConfig,
}


def schema_for(file: str) -> dict[str, Any]:
    """Return the schema of `station` (station.yaml), `project` (gare.yaml) or `train` (trains/*.yaml)."""
    model = _MODELS[file]
    schema = model.model_json_schema(mode="validation")
    for part in models_in(model):
        section = (
            schema if part is model else schema["$defs"].get(part.__name__, {"properties": {}})
        )
        for key, meaning in meanings(part).items():
            section["properties"].get(key, {}).setdefault("description", meaning)
    return {"$schema": _DRAFT, **schema}
