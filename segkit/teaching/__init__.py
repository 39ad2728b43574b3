"""What a teacher needs besides the grader: handing out, collecting, feedback, the map of objectives, slides.

    segkit class --help

The course's folder `teaching` holds what these read and make; learners work in `course` and never see either.
"""
