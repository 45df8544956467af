"""What to freeze into an RP2040 image: give this file to MicroPython's build as FROZEN_MANIFEST."""
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

DEVICE = "__init__ board debounce firmware loop pad selftest settings update"
PAD = "__init__ errors faces framing line messages pad_end"

include("$(PORT_DIR)/boards/manifest.py")
package("device", files=[name + ".py" for name in DEVICE.split()], base_path="..")
package("protocol", files=["__init__.py"], base_path="..")
package("protocol/pad", files=[name + ".py" for name in PAD.split()], base_path="..")
module("main.py")
