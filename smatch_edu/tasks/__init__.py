"""The folder tasks."""

from smatch_edu.tasks.task import Example, Task, get_task

__all__ = ["Example", "Task", "get_task"]
