"""smatch_edu: SequenceMatch (Cundy & Ermon, arXiv 2306.05426), taught and implemented.

Start with notebooks/ and README.md. Each folder is one part of the story, and the docstring of the folder says what
lives there and in which order to read it; a folder imports only from those above it:

    support   files, numbers, errors: nothing of SequenceMatch
    sandbox   a function of somebody else's, called without trusting it
    exact     what can be computed exactly: the paper's Figure 1, divergences, strings as a decision process, optima
    text      what is typed: characters, words, trajectories with their noise
    tasks     what is learned: words, arithmetic
    network   the transformer, and typing with it
    pictures  one look for all figures; films and pages
    configs   what each command can be told, as plain data
    training  losses on logits, Algorithm 1, evaluation; a network against the exact optimum
    studies   the main jobs and experiments, with their pages
    checks    what an exercise must satisfy, one module for each notebook
    course    student versions, assignments, grading
"""

__version__ = "0.1.0"
