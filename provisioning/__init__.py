"""The technician's commands: from an empty card to a unit the platform trusts, and its life after.

The way of a unit through the folders: `office` (the site folder of a hall: inventory, authority),
`papers` (the three documents between office and unit), `reach` (how they travel), `unit` (what
is done on the Raspberry Pi), `pad` (its firmware).
"""
