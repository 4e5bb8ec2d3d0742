# Copyright (c) mmregioncl contributors. All rights reserved.
"""Stop a downstream run whose pretrained weights did not arrive."""
from __future__ import annotations

from collections.abc import Iterator

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from .pretrained_checks import check_arrived, check_fits, unused_stages
from .pretrained_source import PretrainedSource, is_remote, read_source


@HOOKS.register_module()
class CheckPretrainedHook(Hook):
    """Compare the backbone with the file it was to be loaded from.

    MMEngine loads with ``strict=False``: wrong keys end in a warning and a
    network that trains from random weights. This hook reads the file that
    ``load_from`` or the backbone's ``init_cfg`` names. Before MMEngine touches
    it, names and shapes are compared with the model; before the first
    iteration, every value. It prints one line,
    ``318/318 backbone tensors loaded from FILE (sha256 ...)``, or raises.

    A resumed run takes its weights from its own checkpoint: the hook says so
    and compares nothing.

    Args:
        module (str): Where the backbone is in the model.
            Defaults to 'backbone'.
        shared_head (str, optional): Where the last stage is if the backbone
            ends before it, ``'roi_head.shared_head'`` in a C4 detector. Its
            ``layer*`` tensors are counted with the backbone's; a norm after
            them is new and is not. Defaults to None.
        required (bool): Whether it is an error that no file is named. False
            lets a run from random weights pass, with a line that says so.
            Defaults to True.

    Example:
        >>> custom_imports = dict(imports=['mmregioncl.transfer'])
        >>> custom_hooks = [dict(type='CheckPretrainedHook')]
    """

    # After the hooks that change weights, before those that log and save.
    priority = 'BELOW_NORMAL'

    def __init__(self,
                 module: str = 'backbone',
                 shared_head: str | None = None,
                 required: bool = True) -> None:
        self.module = module
        self.shared_head = shared_head
        self.required = required

    def before_run(self, runner: Runner) -> None:
        """Check the file itself before MMEngine opens it.

        Raises:
            ValueError: If the file is cut short or does not fit the model.
        """
        # before_run also comes before testing, which loads no init_cfg.
        training = isinstance(runner.optim_wrapper,
                              (OptimWrapper, OptimWrapperDict))
        if not training or runner._resume:
            return
        for named in self._named_files(runner):
            # MMEngine has not downloaded a remote file yet.
            if not is_remote(named[0]):
                check_fits(self._read(*named), self._tensors(runner))

    def before_train(self, runner: Runner) -> None:
        """Compare every value after loading, and print the line.

        Raises:
            ValueError: If no file is named although one is required, or it
                does not fit the model.
            RuntimeError: If a tensor does not hold what the file holds.
        """
        if runner.iter > 0:
            runner.logger.info(
                f'resumed at iteration {runner.iter}: the backbone comes from '
                'the checkpoint of this run, the pretrained file is not '
                'compared')
            return
        # What was loaded last is what must be there.
        files = list(self._named_files(runner))
        if not files:
            self._without_file(runner)
            return
        source = self._read(*files[-1])
        tensors = self._tensors(runner)
        check_fits(source, tensors)
        loaded = check_arrived(source, tensors)
        line = (f'{loaded}/{loaded} backbone tensors loaded from '
                f'{source.path} (sha256 {source.sha256})')
        spare = unused_stages(source, tensors)
        if spare:
            line += (f'; the model\'s backbone ends before {", ".join(spare)} '
                     'of the file')
        runner.logger.info(line)

    def _without_file(self, runner: Runner) -> None:
        if self.required:
            raise ValueError(
                'no pretrained weights: neither load_from nor '
                f'model.{self.module}.init_cfg names a file. Set '
                f"model.{self.module}.init_cfg=dict(type='Pretrained', "
                "checkpoint=FILE, prefix='backbone.'), or "
                'CheckPretrainedHook(required=False) for a run from random '
                'weights.')
        runner.logger.info('no pretrained weights named: the backbone starts '
                           'from random values')

    def _named_files(self,
                     runner: Runner) -> Iterator[tuple[str, str | None, bool]]:
        """Arguments of read_source in the order in which MMEngine loads."""
        init_cfg = getattr(_submodule(runner, self.module), 'init_cfg', None)
        for cfg in [init_cfg] if isinstance(init_cfg, dict) else (init_cfg
                                                                  or []):
            kind = cfg.get('type')
            if getattr(kind, '__name__',
                       kind) in ('Pretrained', 'PretrainedInit'):
                yield cfg['checkpoint'], cfg.get('prefix'), False
        if runner._load_from is not None:
            # A whole model is loaded: keys as the model has them.
            yield runner._load_from, f'{self.module}.', True

    def _read(self, checkpoint: str, prefix: str | None,
              whole_model: bool) -> PretrainedSource:
        try:
            return read_source(checkpoint, prefix, whole_model)
        except ValueError as error:
            raise ValueError(f'pretrained weights of model.{self.module}: '
                             f'{error}') from error

    def _tensors(self, runner: Runner) -> dict[str, Tensor]:
        """The model's backbone by bare keys, the shared head's among them."""
        tensors = dict(_submodule(runner, self.module).state_dict())
        if self.shared_head is not None:
            head = _submodule(runner, self.shared_head).state_dict()
            tensors.update({
                key: value
                for key, value in head.items() if key.startswith('layer')
            })
        return tensors


def _submodule(runner: Runner, name: str) -> nn.Module:
    model = runner.model
    if is_model_wrapper(model):
        model = model.module
    try:
        return model.get_submodule(name)
    except AttributeError as error:
        raise ValueError(f'CheckPretrainedHook: the model has no {name!r}; '
                         'set module= (and shared_head=) to where the '
                         'backbone is') from error
