"""The three papers by which a unit becomes trusted (pure): invitation, request, grant.

    office ── invitation ──▶ unit    who it is to be, and a token that holds for some hours, once
    office ◀── request ───── unit    the public halves of the keys it made, each proven
    office ── grant ───────▶ unit    certificate, broker, platform key: by that token again

They are JSON, and the same bytes whether they go over SSH or lie on a stick. The token proves that
request and grant belong to this invitation; it opens nothing else, and not a second time.
"""
