# Copyright (c) mmregioncl contributors. All rights reserved.
"""Pack an image to be evaluated, its label a plain number."""
from __future__ import annotations

from mmselfsup.datasets.transforms import PackSelfSupInputs
from mmselfsup.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackLabelledImage(PackSelfSupInputs):
    """PackSelfSupInputs with label and number as plain numbers.

    MMSelfSup's keeps either as a tensor of one element, and each tensor comes
    from a worker through a file of shared memory of its own. For small images
    that takes longer than to read them.

    Required Keys:

    - img, img_path, gt_label, sample_idx

    Args:
        key (str): Of the image. Defaults to 'img'.
    """

    def __init__(self, key: str = 'img') -> None:
        super().__init__(key=key, meta_keys=['img_path'])

    def transform(self, results: dict) -> dict:
        """Pack.

        Args:
            results (dict): Of the steps before.

        Returns:
            dict: ``inputs``, a list of one image (3, H, W);
            ``data_samples`` with ``img_path``, ``label`` and ``index``, the
            number in the data set, in its metainfo.

        Raises:
            ValueError: If label or number are missing: the data set has to
                give them.
        """
        packed = super().transform(results)
        try:
            numbers = dict(
                label=int(results['gt_label']),
                index=int(results['sample_idx']))
        except KeyError as error:
            raise ValueError(f'PackLabelledImage: the data set gives no '
                             f'{error}; take ImageFolder') from error
        packed['data_samples'].set_metainfo(numbers)
        return packed
