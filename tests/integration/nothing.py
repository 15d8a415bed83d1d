"""An application that registers nothing: its worker knows only the built-in kinds."""

import quaero

app = quaero.App()
