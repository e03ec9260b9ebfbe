"""Ten short lessons that drive the pages of the studio; every answer is checked by computing it."""

from fathom.studio.lessons.checking import check
from fathom.studio.lessons.course import LESSONS, every_lesson

__all__ = ["LESSONS", "check", "every_lesson"]
