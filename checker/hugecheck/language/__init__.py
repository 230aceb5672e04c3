"""From text to a checked module: `parser` (text to syntax), `loader` (`use`), `check` (names, types, locks), `scenario`."""
