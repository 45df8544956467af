"""The platform's end: subscribe, verify, store each entry once, sign a receipt."""
