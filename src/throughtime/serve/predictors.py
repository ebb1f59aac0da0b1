"""Predictions of estimators and custom modules, from JSON to JSON."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from throughtime._core.errors import InputError
from throughtime.inference.classification.classifier import ClassifierModel
from throughtime.inference.forecasting.forecaster import ForecasterModel
from throughtime.inference.generation.generator import GeneratorModel
from throughtime.inference.tagging.tagger import TaggerModel
from throughtime.inference.translation.translator import TranslatorModel
from throughtime.runtime.graph_network import GraphNetwork
from throughtime.serve.errors import invalid
from throughtime.serve.schemas import Content

if TYPE_CHECKING:
    from collections.abc import Callable

    from throughtime.serve.limits import Limits

Cell = str | float | int | bool | None
Columns = dict[str, list[Cell]]
_MAX_BEAMS = 32
_MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Predictor:
    """A model whose predictions are objects of JSON.

    Attributes:
        content: of a request.
        answer: of its response.
        call: from the one to the other.
    """

    content: type[Content]
    answer: type[Content]
    call: Callable[[Any], dict[str, Any]]

    def predict(self, content: Any) -> dict[str, Any]:
        """Return a prediction, with the warnings of the model.

        Raises:
            RequestError: for content that cannot be used.
        """
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                answer = self.call(content)
        except InputError as error:
            raise invalid(str(error)) from None
        return to_json(answer) | {"warnings": [str(warning.message) for warning in caught]}


class Answer(Content):
    """What every prediction has.

    Attributes:
        warnings: sentences about unusual data.
    """

    warnings: list[str] = Field(description="Sentences about unusual data.")


def predictor(model: Any, limits: Limits) -> Predictor:
    """Return the predictor of a model of `runtime.load`.

    Raises:
        InputError: for a model that cannot be served.
    """
    match model:
        case ForecasterModel():
            return _forecaster(model, limits)
        case ClassifierModel():
            return _classifier(model, limits)
        case TaggerModel():
            return _tagger(model, limits)
        case GeneratorModel():
            return _generator(model, limits)
        case TranslatorModel():
            return _translator(model, limits)
        case GraphNetwork():
            return _module(model)
        case _:
            raise InputError(f"expected a network or an estimator that can be served, got {type(model).__name__}")


def _forecaster(model: ForecasterModel, limits: Limits) -> Predictor:
    class ForecastRequest(Content):
        columns: Columns | None = Field(
            None, description="Rows by column: unique_id, ds, y and covariates; those of the training if missing."
        )
        future: Columns | None = Field(None, description="unique_id, ds and covariates that are known in advance.")
        level: list[Annotated[int | float, Field(gt=0, lt=100)]] | None = Field(None, max_length=20)
        horizon: int | None = Field(None, ge=1, le=limits.steps)

    class Forecast(Answer):
        columns: dict[str, list[Any]] = Field(description="unique_id, ds, throughtime, and the limits of intervals.")

    def call(content: ForecastRequest) -> dict[str, Any]:
        settings = {"future": content.future, "level": content.level, "horizon": content.horizon}
        return {"columns": model.predict(content.columns, **settings)}

    return Predictor(ForecastRequest, Forecast, call)


def _classifier(model: ClassifierModel, limits: Limits) -> Predictor:
    class ClassificationRequest(Content):
        x: list[str | list[float | None] | list[list[float | None]]] = Field(
            description="Texts, or sequences of numbers.", min_length=1, max_length=limits.queue
        )

    class Classification(Answer):
        classes: list[Any] = Field(description="In the order of the probabilities.")
        labels: list[Any]
        probabilities: list[list[float]]

    def call(content: ClassificationRequest) -> dict[str, Any]:
        proba = model.predict_proba([_series(item) for item in content.x])
        labels = model.classes_[proba.argmax(1)]
        return {"classes": model.classes_, "labels": labels, "probabilities": proba}

    return Predictor(ClassificationRequest, Classification, call)


def _series(item: str | list[Any]) -> Any:
    if isinstance(item, str):
        return item
    try:
        return np.array(item, np.float64)  # None becomes NaN, a gap
    except ValueError:
        raise InputError("x: expected the same number of features at each step of a sequence") from None


def _tagger(model: TaggerModel, limits: Limits) -> Predictor:
    class TaggingRequest(Content):
        x: list[list[str]] = Field(description="Sentences as lists of words.", min_length=1, max_length=limits.queue)

    class Tagging(Answer):
        tags: list[list[str]]

    def call(content: TaggingRequest) -> dict[str, Any]:
        return {"tags": model.predict(content.x)}

    return Predictor(TaggingRequest, Tagging, call)


def _generator(model: GeneratorModel, limits: Limits) -> Predictor:
    class GenerationContent(Content):
        length: int = Field(200, ge=0, le=limits.steps, description="Steps to draw after the prompt.")
        prompt: str | list[list[int]] | None = Field(None, description="A text, or steps of MIDI notes.")
        temperature: float = Field(1.0, ge=0, le=100)
        top_k: int | None = Field(None, ge=1, le=10**6)
        top_p: float | None = Field(None, gt=0, le=1)
        random_state: int | None = Field(None, ge=0, le=_MAX_SEED)

    class Sample(Answer):
        sample: str | list[list[int]] = Field(description="In the form of the training: a text, or steps of notes.")

    def call(content: GenerationContent) -> dict[str, Any]:
        sample = model.sample(**dict(content))
        return {"sample": sample.decode("latin-1") if isinstance(sample, bytes) else sample}

    return Predictor(GenerationContent, Sample, call)


def _translator(model: TranslatorModel, limits: Limits) -> Predictor:
    model.source.check()  # names what is not installed before the first request comes

    class TranslationRequest(Content):
        x: list[str] = Field(description="Sentences.", min_length=1, max_length=limits.queue)
        beams: int = Field(5, ge=1, le=_MAX_BEAMS)
        length_penalty: float = Field(1.0, ge=0, le=100)

    class Translation(Answer):
        translations: list[str]

    def call(content: TranslationRequest) -> dict[str, Any]:
        translations = model.predict(content.x, beams=content.beams, length_penalty=content.length_penalty)
        return {"translations": translations}

    return Predictor(TranslationRequest, Translation, call)


def _module(model: GraphNetwork) -> Predictor:
    types = {entry.name: entry.dtype for entry in model.graph.inputs}

    class ModuleRequest(Content):
        inputs: dict[str, Any] = Field(description=f"Arrays as nested lists, by name: {', '.join(types)}.")

    class ModuleAnswer(Answer):
        outputs: Any = Field(description="Arrays as nested lists, as the module returned them.")

    def call(content: ModuleRequest) -> dict[str, Any]:
        if content.inputs.keys() != types.keys():
            raise InputError(f"inputs: expected {', '.join(types)}, got {', '.join(content.inputs) or 'none'}"[:300])
        return {"outputs": model(**{name: _array(name, content.inputs[name], types[name]) for name in types})}

    return Predictor(ModuleRequest, ModuleAnswer, call)


def _array(name: str, values: Any, dtype: str) -> np.ndarray:
    try:
        array = np.array(values)
    except ValueError:
        raise InputError(f"{name}: expected numbers in nested lists of equal lengths") from None
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name}: expected numbers in nested lists of equal lengths")
    with np.errstate(all="ignore"):
        converted = array.astype(dtype)
    if not np.isfinite(converted).all() or (converted.dtype.kind != "f" and (converted != array).any()):
        raise InputError(f"{name}: expected finite numbers of {dtype}")
    return converted


def to_json(value: Any) -> Any:
    """Return a value as JSON can hold it: dates as ISO 8601, numbers that are not finite as null."""
    if isinstance(value, dict):
        return {str(name): to_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "M":
            return [None if np.isnat(item) else str(item) for item in value]
        return to_json(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
