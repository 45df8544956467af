"""A hall in virtual time: the real pad, line, core, receipts and centre amid people and faults.

    plan ── what a seed draws: windows, habits, troubles
    hall ── puts together: counter, citizen → pad ═ line ═ machine (core, disk) ═ broker ═ centre
    day ─── lets people come, faults strike and heal, and all come to rest

checks look at every step; doze and rest pass over the time in which nothing happens. One seed is
one history, the same on every machine.
"""
