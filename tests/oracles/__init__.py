"""Independent judges of what a job log, an output file or a text really does.

Each module follows the rules of one reader (GitHub's runner, GitLab's log viewer, a terminal and
so on) as its own source states them. None knows the package under test, so that a wrong belief
held there cannot excuse itself here.
"""
