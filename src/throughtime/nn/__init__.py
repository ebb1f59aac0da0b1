"""Recurrent layers: torch.nn's, faster, and the shapes of network that are built from them."""

from throughtime._core.state_transforms import NormClip as NormClip
from throughtime.nn._replace import replace as replace
from throughtime.nn._summary import Summary as Summary
from throughtime.nn._summary import summary as summary
from throughtime.nn._trace import LayerTrace as LayerTrace
from throughtime.nn._trace import trace as trace
from throughtime.nn.attention import Attention as Attention
from throughtime.nn.gru import GRU as GRU
from throughtime.nn.gru import GRUCell as GRUCell
from throughtime.nn.initialization import Chrono as Chrono
from throughtime.nn.initialization import ForgetBias as ForgetBias
from throughtime.nn.initialization import Identity as Identity
from throughtime.nn.initialization import Keras as Keras
from throughtime.nn.initialization import Orthogonal as Orthogonal
from throughtime.nn.initialization import Uniform as Uniform
from throughtime.nn.layouts import EncoderDecoder as EncoderDecoder
from throughtime.nn.layouts import ManyToMany as ManyToMany
from throughtime.nn.layouts import ManyToOne as ManyToOne
from throughtime.nn.layouts import OneToMany as OneToMany
from throughtime.nn.layouts import OneToOne as OneToOne
from throughtime.nn.layouts import Output as Output
from throughtime.nn.lstm import LSTM as LSTM
from throughtime.nn.lstm import LSTMCell as LSTMCell
from throughtime.nn.pooling import Pooling as Pooling
from throughtime.nn.rnn import RNN as RNN
from throughtime.nn.rnn import RNNCell as RNNCell
