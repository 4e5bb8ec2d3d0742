# Copyright (c) mmregioncl contributors. All rights reserved.
"""MMEngine's epochs, from any iteration on and with the same numbers."""
from __future__ import annotations

import itertools
from typing import Any, Iterator, Sequence

from mmengine.dist import get_rank
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop
from mmselfsup.registry import LOOPS

from mmregioncl.datasets.resumable_sampler import ResumableSampler
from mmregioncl.models.fused_ema import FusedEMA
from mmregioncl.random_streams import seed_streams
from .epoch_length import count_anew

# What the log averages over is shorter.
_LONGEST_WINDOW = 1000


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """``EpochBasedTrainLoop`` whose runs can be cut anywhere and resumed.

    What an iteration draws in this process (boxes, donors, views made on the
    device, dropout) follows from (seed, rank, iteration), and what the data
    loader draws from (seed, epoch, image), see :class:`ResumableSampler`. No
    state of a random stream needs to be kept: nothing that happens between
    two iterations - a validation, a new set of workers, a kill - can shift
    one.

    A checkpoint from inside an epoch goes on at the next batch. With the
    stock loop it would begin the epoch anew, with the iteration count of its
    end.

    MMEngine's message hub keeps the value of each logged scalar in each
    iteration, and copies them all to add another; here it keeps the last
    epoch's, at least 1000.
    """

    _iter: int  # as the parent sets it

    def run(self) -> Any:
        """Train.

        Returns:
            nn.Module: The model.
        """
        hub = self.runner.message_hub  # its figures are in the checkpoint
        sampler = self.dataloader.sampler
        seed = getattr(sampler, 'seed', self.runner.seed)
        self._done = 0
        if self._iter > 0:
            seed = hub.runtime_info.get('stream_seed', seed)
            self._done = self._batches_done(
                hub.runtime_info.get('epoch_length', 0))
        if isinstance(sampler, ResumableSampler):
            sampler.seed = seed  # drawn by chance if the config sets none
        self._seed = seed
        hub.update_info_dict(
            dict(stream_seed=seed, epoch_length=len(self.dataloader)))
        model = self.runner.model
        model = model.module if is_model_wrapper(model) else model
        if hasattr(model, 'shuffle_seed'):
            model.shuffle_seed()  # takes torch's seed, which changes below
        for module in model.modules():
            if isinstance(module, FusedEMA):
                module.iterations_per_update = getattr(
                    self.runner.optim_wrapper, '_accumulative_counts', 1)
        return super().run()

    def run_epoch(self) -> None:
        """Iterate one epoch, or what is left of it."""
        for buffer in self.runner.message_hub.log_scalars.values():
            buffer.max_length = max(len(self.dataloader), _LONGEST_WINDOW)
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        done, self._done = self._done, 0
        for idx, data_batch in enumerate(self._batches(done), done):
            self.run_iter(idx, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Sequence[dict]) -> None:
        """One iteration, its random streams begun anew.

        Args:
            idx (int): Number of the batch in the epoch.
            data_batch (Sequence[dict]): The batch.
        """
        # 2: not the streams of the data, see ImageFolder
        seed_streams(self._seed, 2, get_rank(), self._iter)
        super().run_iter(idx, data_batch)

    def _batches(self, done: int) -> Iterator[Any]:
        sampler = self.dataloader.sampler
        if isinstance(sampler, ResumableSampler):
            sampler.start_at(done * self.dataloader.batch_size)
            return iter(self.dataloader)
        if done:
            self.runner.logger.warning(
                f'Loading {done} batches again that were trained on already; '
                "train_dataloader.sampler=dict(type='ResumableSampler', "
                'shuffle=True) leaves them out at once')
        return itertools.islice(self.dataloader, done, None)

    def _batches_done(self, length: int) -> int:
        """Batches of the current epoch that the checkpoint has seen.

        Where epochs have another length now, all else is counted anew.

        Args:
            length (int): Batches per epoch of the run that wrote it; 0 where
                its loop has noted none, as MMEngine's, which saves after
                whole epochs.
        """
        now = len(self.dataloader)
        if not length or not 0 <= self._iter - self._epoch * length <= length:
            whole = self._epoch > 0 and self._iter % self._epoch == 0
            length = self._iter // self._epoch if whole else now
        done = max(0, self._iter - self._epoch * length)
        if length == now:
            return done
        self.runner.logger.warning(
            f'An epoch has {now} iterations now and had {length} when the '
            'checkpoint was written (another batch size, number of processes '
            'or data set): the run goes on after the same share of the epoch, '
            'but not bit for bit; lr and schedules are those of the config')
        done = min(round(done / length * now), now)
        self._iter = count_anew(self.runner, self._epoch, done)
        return done
