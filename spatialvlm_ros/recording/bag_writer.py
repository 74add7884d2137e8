"""Serialised messages into ONE self-contained MCAP file.

rosbags writes a folder with a metadata.yaml; everything of it stands in the MCAP file too, so the file alone is moved
to its place. What never changes: a path holds either a complete file or what was there before.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from .definitions import definition, normal_type


def require_rosbags() -> None:
    """Raises ImportError that says what to install."""
    try:
        import rosbags  # noqa: F401
    except ImportError as error:
        raise ImportError("bags need the package 'rosbags': pip install 'spatialvlm_ros[recording]'") from error


class BagWriter:
    """Writes one ``.mcap`` file.

    Usage::

        with BagWriter("episode.mcap") as bag:
            bag.add_topic("/tf", "tf2_msgs/msg/TFMessage")
            bag.write("/tf", stamp_ns, serialize_message(message))

    The file appears when the bag is closed, as far as there was room for it. An exception inside the ``with`` block still leaves
    what was written until then: a recording that ended badly is worth more than none. Not thread-safe.
    """

    def __init__(self, path: str | Path, *, overwrite: bool = False, compress: bool = False) -> None:
        """Raises FileExistsError for a path that exists (unless ``overwrite``), ValueError for another suffix than .mcap."""
        require_rosbags()
        from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

        self.path = Path(path)
        if self.path.suffix != ".mcap":
            raise ValueError(f"a bag is written to a file that ends in .mcap, not to '{self.path.name}'")
        self._overwrite = overwrite
        self._refuse_existing()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # In the same directory, so that the move at the end is within one file system, and atomic.
        self._workplace = Path(tempfile.mkdtemp(prefix=f".{self.path.stem}-", dir=self.path.parent))
        self._writer: Any = Writer(self._workplace / self.path.stem, version=9, storage_plugin=StoragePlugin.MCAP)
        if compress:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        self._connections: dict[str, Any] = {}
        self.counts: dict[str, int] = {}
        self._open = True

    def add_topic(self, topic: str, message_type: str, *, latched: bool = False, reliable: bool = True) -> None:
        """Declare a topic; ``latched`` and ``reliable`` are the QoS that a player will offer.

        Raises DefinitionError for a type whose definition is not installed, ValueError for a topic that has another type.
        """
        message_type = normal_type(message_type)
        known = self._connections.get(topic)
        if known is not None:
            if known.msgtype != message_type:
                raise ValueError(f"topic {topic} holds {known.msgtype}; it cannot hold {message_type} as well")
            return
        text = definition(message_type)
        self._connections[topic] = self._writer.add_connection(
            topic,
            message_type,
            msgdef=text,
            rihs01=_type_hash(message_type, text),
            offered_qos_profiles=[_qos(latched, reliable)],
        )
        self.counts[topic] = 0

    def write(self, topic: str, stamp_ns: int, data: bytes | memoryview) -> None:
        """Append one serialised (CDR) message. ``stamp_ns`` is when it was received. Raises KeyError for an unknown topic."""
        if topic not in self._connections:
            raise KeyError(f"topic {topic} was not added to {self.path.name}; known are {', '.join(self._connections) or 'none'}")
        self._writer.write(self._connections[topic], stamp_ns, data)
        self.counts[topic] += 1

    def close(self) -> None:
        """Finish the file and put it in its place. A second call does nothing.

        Raises FileExistsError when somebody else made the path meanwhile; what was recorded then stays where the text says.
        Raises OSError when the end cannot be written (a full disk): the path then holds a bag that was cut off.
        """
        if not self._open:
            return
        self._open = False
        failure = self._finish()
        written = self._workplace / self.path.stem / f"{self.path.stem}.mcap"
        if self.path.exists() and not self._overwrite:
            raise FileExistsError(f"{self.path} was made by somebody else while it was recorded; the recording is {written}")
        os.replace(written, self.path)
        shutil.rmtree(self._workplace, ignore_errors=True)
        if failure is not None:
            raise failure

    def _finish(self) -> OSError | None:
        """Close the file; what kept its end from being written."""
        try:
            self._writer.close()
        except OSError as error:
            storage = self._writer.storage
            if storage is None:  # the file is whole, and only the metadata.yaml beside it, which goes anyway, is not
                return None
            with suppress(OSError):  # what waits in its buffer has no room either
                storage.abort()
            why = error.strerror or str(error)
            return OSError(error.errno, f"{why}: {self.path} is cut off, and holds what was written before that")
        return None

    def _refuse_existing(self) -> None:
        if self.path.exists() and not self._overwrite:
            raise FileExistsError(f"{self.path} exists; choose another name or ask for overwriting")

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _type_hash(message_type: str, text: str) -> str:
    """The RIHS01 hash of a type, which ROS compares when a bag is played."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(text, message_type))
    return str(store.hash_rihs01(message_type))


def _qos(latched: bool, reliable: bool) -> Any:
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    # What rosbag2 writes for "no limit".
    forever = QosTime(9223372036, 854775807)
    return Qos(
        QosHistory.KEEP_LAST,
        100 if latched else 10,
        QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        forever,
        forever,
        QosLiveliness.AUTOMATIC,
        forever,
        False,
    )
