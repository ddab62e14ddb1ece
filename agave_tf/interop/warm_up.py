"""The requests with which TensorFlow Serving warms up a model when it loads it.

XLA compiles the sampler at its first call, which takes seconds to minutes. TensorFlow
Serving replays these requests before it takes others, so that no user waits for that.

Its messages are in the package tensorflow-serving-api, which nothing else here needs.
The few of them that a request consists of are therefore declared here; names do not
matter in the files, only the numbers and types of the fields.
"""

import functools
import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

# Where TensorFlow Serving looks, inside the SavedModel. It reads up to 1000 records.
WARM_UP_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")

# Recorded with a request. TensorFlow Serving copies it to the response and labels its
# measurements of time with it, but does not compare it with the name of the model that
# it loads, so any name will do.
_MODEL_NAME = "agave"


class _Field(NamedTuple):
    """A field of a message: its number in the file, and its type."""

    number: int
    type: str  # "string", "bytes" or a message
    is_repeated: bool = False


# From prediction_log.proto, predict.proto and model.proto in tensorflow_serving/apis.
# A map is stored as repeated entries of a key and a value, and a message within another
# as its bytes: so the value can be a TensorProto that TensorFlow has encoded.
_MESSAGES = {
    "ModelSpec": {
        "name": _Field(1, "string"),
        "signature_name": _Field(3, "string"),
    },
    "Input": {"key": _Field(1, "string"), "value": _Field(2, "bytes")},
    "PredictRequest": {
        "model_spec": _Field(1, "ModelSpec"),
        "inputs": _Field(2, "Input", is_repeated=True),
    },
    "PredictLog": {"request": _Field(1, "PredictRequest")},
    "PredictionLog": {"predict_log": _Field(6, "PredictLog")},
}


def smallest_inputs(
    arguments: Mapping[str, tf.TensorSpec],
) -> dict[str, np.ndarray]:
    """The smallest inputs that a signature takes: one image, one sample, seed 0.

    Images and latents are zeros. The label 0 is one of any class-conditional model.

    Args:
      arguments: shape and type of each argument by its name; axes of free length get
        the length 1.
    """
    fill = {"count": 1, "num_samples": 1}
    return {
        name: np.full(
            [1 if length is None else length for length in spec.shape],
            fill.get(name, 0),
            spec.dtype.as_numpy_dtype,
        )
        for name, spec in arguments.items()
    }


def write_warm_up(path: str, requests: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Writes a file of requests, in their order.

    A request that fails would keep TensorFlow Serving from loading the model.

    Args:
      path: the file to write, WARM_UP_FILE in a SavedModel.
      requests: inputs by signature, and by the name of the argument.
    """
    with tf.io.TFRecordWriter(path) as writer:
        for signature, inputs in requests.items():
            writer.write(_prediction_log(signature, inputs).SerializeToString())


def _prediction_log(
    signature: str, inputs: Mapping[str, np.ndarray]
) -> message.Message:
    log = _message_class("PredictionLog")()
    request = log.predict_log.request
    request.model_spec.name = _MODEL_NAME
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value)
        request.inputs.add(key=name, value=tensor.SerializeToString())
    return log


def _message_class(name: str) -> type[message.Message]:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    """The declared messages, apart from those of tensorflow-serving-api if it is used.

    The pool that all modules share would refuse a second declaration.
    """
    field_types = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="warm_up.proto", syntax="proto3")
    for message_name, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message_name)
        for name, field in fields.items():
            added = declared.field.add(name=name, number=field.number)
            label = "LABEL_REPEATED" if field.is_repeated else "LABEL_OPTIONAL"
            added.label = getattr(field_types, label)
            if field.type in _MESSAGES:
                added.type = field_types.TYPE_MESSAGE
                added.type_name = f".{field.type}"
            else:
                added.type = getattr(field_types, f"TYPE_{field.type.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool
