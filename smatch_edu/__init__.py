"""smatch_edu: SequenceMatch (Cundy & Ermon, arXiv 2306.05426), taught and implemented.

Start with notebooks/ and README.md. One module is one concept:

    figure1      the paper's Figure 1 as a Markov chain            divergences  f and φ
    vocabulary   characters, ids, words                            mdp          strings, noisy keyboard, occupancies
    soft_values  the best policy for a reward                      tabular      exact divergence minimisation
    objectives   the losses on logits                              walkthrough  the main job
"""

__version__ = "0.1.0"
