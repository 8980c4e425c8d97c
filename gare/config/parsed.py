"""Makes the model of one file's document, or says everything that is wrong with it at once."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from pydantic import ValidationError

from gare.config.document import Document
from gare.config.problems import InvalidFiles, Problem
from gare.config.wording import problems_of, secrets_of
from gare.settings import Settings

Model = TypeVar("Model", bound=Settings)


def parsed(
    document: Document, model: type[Model], check: Callable[[Model], Iterable[Problem]]
) -> Model:
    """Make the model of a document. The checks across keys run only when every key is right by itself."""
    problems = [*document.problems, *secrets_of(document)]
    try:
        config = model.model_validate(document.data)
    except ValidationError as error:
        told = {problem.path for problem in problems}
        found = problems_of(document, model, error)
        raise InvalidFiles([*problems, *(p for p in found if p.path not in told)]) from None
    problems += check(config)
    if problems:
        raise InvalidFiles(problems)
    return config
