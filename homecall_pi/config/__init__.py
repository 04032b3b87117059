"""The configuration: one TOML file, every key of it also a flag of `homecall-pi run`.

The structs in `schema`, `parts` and `ice` are the whole truth: the file's keys, the flags, their
meaning in `--help`, in config/config.toml and in docs/configuration.md, and the checks all come
from them. After a change there, `scripts/reference` writes these two files anew.
"""
