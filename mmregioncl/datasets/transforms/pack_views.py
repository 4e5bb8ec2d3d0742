# Copyright (c) mmregioncl contributors. All rights reserved.
"""Pack views together with what is still to be done to them."""
from __future__ import annotations

from mmselfsup.datasets.transforms import PackSelfSupInputs
from mmselfsup.registry import TRANSFORMS

from .load_views import UnfinishedViews


@TRANSFORMS.register_module()
class PackViews(PackSelfSupInputs):
    """PackSelfSupInputs for what :class:`LoadViews` gives.

    Adds ``view_steps`` to ``inputs`` and ``data_samples``. Only
    :class:`DeviceViewsPreprocessor` takes such a batch; the stock one stops
    at the third entry rather than train on unfinished views.

    Required Keys:

    - img (an :class:`UnfinishedViews`)

    Args:
        kwargs: ``key``, ``algorithm_keys``, ``pseudo_label_keys`` and
            ``meta_keys`` of MMSelfSup's PackSelfSupInputs.
    """

    def transform(self, results: dict) -> dict:
        """Pack.

        Args:
            results (dict): What :class:`LoadViews` gives.

        Returns:
            dict: ``inputs``, a list of uint8 views (H, W, 3), BGR, as the
            decoder leaves them: the device puts the channels first;
            ``data_samples``; ``view_steps`` (V, COLUMNS).

        Raises:
            ValueError: If the views come from somewhere else.
        """
        views = results[self.key]
        if not isinstance(views, UnfinishedViews):
            raise ValueError(
                f'PackViews takes what LoadViews gives, got {type(views)}; '
                'use PackSelfSupInputs after any other pipeline')
        # the views are tensors already, which the parent class cannot take
        del results[self.key]
        return dict(
            inputs=views.images,
            **super().transform(results),
            view_steps=views.steps)
