# Copyright (c) mmregioncl contributors. All rights reserved.
