"""Translation: sequences into others of another length."""

from throughtime._core.errors import requires

with requires("text", "SequenceTranslator"):
    from throughtime.data.text.subwords import SubwordSettings as SubwordSettings
    from throughtime.tasks.translation.estimator import Alignment as Alignment
    from throughtime.tasks.translation.estimator import SequenceTranslator as SequenceTranslator
    from throughtime.tasks.translation.trainer import TeacherForcing as TeacherForcing
