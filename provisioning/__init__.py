"""The technician's commands, from an empty card to a trusted unit; none is here yet."""
