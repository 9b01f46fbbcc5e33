"""The notebooks as a course: what students get, what they hand in, and what they are told.

student_versions  the solved notebooks with stubs for solutions; a student's work is never touched
notebooks         notebooks as data, every fault of a file named
assignments       a solved notebook as questions; source, release and solution as nbgrader wants them
submissions       what was handed in, and what is wrong with it
marks             what a submission got, kept as soon as it is known
answers           one answer, called in another process and judged in this one
grading           a class, whatever was handed in
feedback          grades.csv, and a page for each student
gradebook         the same for nbgrader
"""

from smatch_edu.course.assignments import Assignment, read_assignment, write_assignments
from smatch_edu.course.feedback import report, write_feedback, write_grades
from smatch_edu.course.gradebook import write_gradebook
from smatch_edu.course.grading import Grader, grade_class
from smatch_edu.course.marks import Graded
from smatch_edu.course.student_versions import generate, student_version
from smatch_edu.course.submissions import find_submissions

__all__ = [
    "Assignment",
    "Graded",
    "Grader",
    "find_submissions",
    "generate",
    "grade_class",
    "read_assignment",
    "report",
    "student_version",
    "write_assignments",
    "write_feedback",
    "write_gradebook",
    "write_grades",
]
