"""smatch_edu: SequenceMatch (Cundy & Ermon, arXiv 2306.05426), taught and implemented.

Start with notebooks/ and README.md. One module is one concept:

    figure1      the paper's Figure 1 as a Markov chain            divergences  f and φ
    vocabulary   characters, ids, words                            mdp          strings, noisy keyboard, occupancies
    soft_values  the best policy for a reward                      tabular      exact divergence minimisation
    objectives   the losses on logits                              walkthrough  the main job
    trajectories typed, deleted, packed for one pass               transformer  a GPT, told who sees whom
    generation   sampling with a free backspace                    neural       a network against the exact optimum
    tasks        what a model learns to write                      training     SequenceMatch, resumable (begun)
"""

__version__ = "0.1.0"
