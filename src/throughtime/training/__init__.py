"""Training through time: strategies of backpropagation, the loop around them, and sight of the gradient."""

from throughtime.data.sequences import Batch as Batch
from throughtime.data.sequences import Batches as Batches
from throughtime.data.streams import Streams as Streams
from throughtime.training._bptt import CheckpointedBPTT as CheckpointedBPTT
from throughtime.training._bptt import FullBPTT as FullBPTT
from throughtime.training._bptt import TruncatedBPTT as TruncatedBPTT
from throughtime.training._checkpoints import Checkpoints as Checkpoints
from throughtime.training._fit import Interrupted as Interrupted
from throughtime.training._fit import NonFiniteLoss as NonFiniteLoss
from throughtime.training._fit import evaluate as evaluate
from throughtime.training._fit import fit as fit
from throughtime.training._history import History as History
from throughtime.training._history import Progress as Progress
from throughtime.training._history import Record as Record
from throughtime.training._stop import Epochs as Epochs
from throughtime.training._stop import GradientNorm as GradientNorm
from throughtime.training._stop import Patience as Patience
from throughtime.training._stop import Seconds as Seconds
from throughtime.training._stop import TargetLoss as TargetLoss
from throughtime.training._stop import Updates as Updates
from throughtime.training._team import ProcessLost as ProcessLost
from throughtime.training.doctor import Diagnosis as Diagnosis
from throughtime.training.doctor import doctor as doctor
from throughtime.training.pictures import plot_gradients as plot_gradients
from throughtime.training.pictures import plot_states as plot_states
from throughtime.training.pictures import plot_unfolded as plot_unfolded
