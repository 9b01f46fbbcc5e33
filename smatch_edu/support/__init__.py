"""What every room stands on, and no room is about: files, numbers, errors, tables.

Look here when something is missing elsewhere; nothing of SequenceMatch is in here.

    errors       the nearest known name for an unknown one; where the first fault lies
    arrays       numbers, numpy arrays and tensors answer in the kind they were asked in
    files        written whole or not at all, and read whole; where the package's data lie
    tables       numbers and tables as text
"""

from smatch_edu.support.arrays import answers_in_kind, as_tensor
from smatch_edu.support.errors import first_index, nearest
from smatch_edu.support.files import (
    as_path,
    check_folder,
    check_writable,
    naming,
    packaged,
    read_tensors,
    write_atomically,
)
from smatch_edu.support.tables import number, percent, text_table

__all__ = [
    "answers_in_kind",
    "as_path",
    "as_tensor",
    "check_folder",
    "check_writable",
    "first_index",
    "naming",
    "nearest",
    "number",
    "packaged",
    "percent",
    "read_tensors",
    "text_table",
    "write_atomically",
]
