# Copyright (c) mmregioncl contributors. All rights reserved.
from .device_views_preprocessor import DeviceViewsPreprocessor

__all__ = ['DeviceViewsPreprocessor']
