"""The targets: one file states one property. What is here is hunted, replayed and reported."""
