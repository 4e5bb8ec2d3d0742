# Copyright (c) mmregioncl contributors. All rights reserved.
from mmregioncl.compat import apply_compat

apply_compat()  # before mmselfsup is imported, by whichever way

from .knn import knn_classify  # noqa: E402
from .knn_loop import KNNLoop  # noqa: E402
from .knn_metric import KNNMetric  # noqa: E402

__all__ = ['KNNLoop', 'KNNMetric', 'knn_classify']
