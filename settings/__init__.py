"""The settings of the project: ``development`` (the default), ``testing`` and ``production``."""
