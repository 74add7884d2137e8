"""What can go wrong with a model, each with a name of its own: a caller must tell what costs one picture from what ends all."""

from __future__ import annotations


class ModelError(Exception):
    """A model cannot be used as asked. The text says what happened and what to do."""


class ModelPackageError(ModelError, ImportError):
    """A package that models need is not installed."""


class ModelNotFoundError(ModelError):
    """There is no model at the path, and none of that id on this machine."""


class PickleOnlyError(ModelError):
    """The weights are there as pickles alone, which can run any code when they are opened."""


class BrokenWeightsError(ModelError):
    """The files of weights cannot be read, or tensors are missing."""


class WrongModelError(ModelError):
    """The model is for another task, or of a class that is not known here."""


class RelativeDepthError(WrongModelError):
    """The model gives depth without a unit."""


class ProcessorMissingError(ModelError):
    """What prepares pictures and words for the model is not in its folder, or needs a package that is not installed."""


class ChatTemplateMissingError(ModelError):
    """A chat model without the template that turns a question into its prompt."""


class ModelDeviceError(ModelError):
    """The device does not exist on this machine, or is unknown."""


class ModelMemoryError(ModelError):
    """Not even one picture at a time fits into memory."""


class ModelInputError(ModelError, ValueError):
    """A picture, box or text that no model can take."""
