"""The notebooks as a course.

student_versions  the solved notebooks with stubs for solutions; a student's work is never touched
"""

from smatch_edu.course.student_versions import generate, student_version

__all__ = ["generate", "student_version"]
