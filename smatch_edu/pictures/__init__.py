"""One look for all figures, and what moves or can be played with.

plots        the look (colours of the data, off the data, of backspace), and the figures of the lessons
figures      the figures of `make run`
show         figures with words for those who cannot see them, flipbooks, typing as a film, pages
"""

from smatch_edu.pictures import figures, plots, show

__all__ = ["figures", "plots", "show"]
