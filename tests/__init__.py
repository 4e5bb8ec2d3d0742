# Copyright (c) mmregioncl contributors. All rights reserved.
# This file must stay: the mmselfsup wheel installs a package named `tests`
# too, and only a regular package of ours wins over that one.
