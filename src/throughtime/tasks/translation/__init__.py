"""Translation: sequences into others of another length."""

from throughtime._errors import requires

with requires("text", "SequenceTranslator"):
    from throughtime.data.subwords import SubwordSettings as SubwordSettings
    from throughtime.tasks.translation.estimator import Alignment as Alignment
    from throughtime.tasks.translation.estimator import SequenceTranslator as SequenceTranslator
    from throughtime.tasks.translation.learning import TeacherForcing as TeacherForcing
