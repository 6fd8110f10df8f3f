"""How the one Settings class is read, refused and described.

Read in this order: load (file < environment < flags), layers (where each value comes from), positions (lines of a TOML file),
problems (what is wrong, in words), fields (the keys that exist), effective (the values in force), reference (the page and the JSON Schema).
"""

from worker.configuration.load import Loaded, load

__all__ = ["Loaded", "load"]
