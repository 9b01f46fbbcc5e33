"""What every room stands on, and no room is about: files, numbers, errors, tables.

Look here when something is missing elsewhere; nothing of SequenceMatch is in here.

    errors       the nearest known name for an unknown one; where the first fault lies
    files        written whole or not at all, and read whole; where the package's data lie
    arrays       numbers, numpy arrays and tensors answer in the kind they were asked in; threads; tensors of a file
    tables       numbers and tables as text
    progress     how far a long job has come: a bar, or a line now and then
    results      a table that grows run by run, also when several write into it
    environment  whether this environment can run the course, and what mends it

`arrays` is imported by its own name: it loads torch, which takes seconds, and the rest does without.
"""

from smatch_edu.support.errors import check_seed, first_index, nearest
from smatch_edu.support.files import (
    as_path,
    check_folder,
    check_writable,
    naming,
    packaged,
    write_atomically,
)
from smatch_edu.support.progress import Progress
from smatch_edu.support.results import extend_table, read_table
from smatch_edu.support.tables import number, percent, printable, text_table

__all__ = [
    "Progress",
    "as_path",
    "check_folder",
    "check_seed",
    "check_writable",
    "extend_table",
    "first_index",
    "naming",
    "nearest",
    "number",
    "packaged",
    "percent",
    "printable",
    "read_table",
    "text_table",
    "write_atomically",
]
