"""Random sequences on a kernel and in the model at once. `careful` (run the steps that still make sense), `shrink` (the shortest sequence that
still differs), `search` (from seeds to findings). Who runs the steps is a function, so that tests need no kernel."""
