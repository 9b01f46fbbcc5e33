"""What calls a function of somebody else's without trusting it: in a process of its own, with data in and data out.

    framing       values as data that cannot run, and messages of them
    excerpt       what a function needs of its notebook
    landlock      giving up one's rights to files
    seccomp       giving up system calls: processes, the network, signals
    watching      what Python itself sees of an answer, and forbids
    answering     the child: gives up its rights, calls the function
    surroundings  what the child is given to read, and what it uses
    job           what is asked of a child, its limits, and how it may end
    process       the parent: starts it, asks case by case, watches, ends it

Nothing of SequenceMatch is in here, and a child that starts from here loads no torch unless the answer does.
"""

from smatch_edu.sandbox.job import Ended, Job, Limits
from smatch_edu.sandbox.process import Answering

__all__ = ["Answering", "Ended", "Job", "Limits"]
