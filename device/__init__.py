"""The pad's firmware: five keys, their lamps, a buzzer and the line to the unit (docs/pad.md)."""
