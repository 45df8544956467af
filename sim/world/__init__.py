"""A hall in virtual time: the real pad, line, core, receipts and centre amid people and faults.

    plan ── what a seed draws: windows, habits, faults
    hall ── puts together: clerk, citizen → pad ═ line ═ machine (core, disk) ═ broker ═ platform
    faults strike it, checks look at every step, doze passes over the seconds in which nothing is

One seed is one history, the same on every machine.
"""
