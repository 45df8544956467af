"""The office: the site folder of one hall, on the technician's laptop.

site.toml          what is the same for every unit of the hall
inventory.db       units, windows, pads, keys, certificates, and what happened to each
authority/         the authority of the units' certificates, its key encrypted
publish/           for others: the centre's registry file, the broker's revocation list
sheets/            the acceptance of each window
"""
