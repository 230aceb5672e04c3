"""Real kernels in the loop: run the steps of a trace in a QEMU guest and read the counters after each.

In reading order: `trace` (the exchange format), `names` (which names exist when), `images` (kernels), `agentbuild` and
`initramfs` (what the guest boots), `vm` (the QEMU process), `protocol` and `guest` (one trace on a booted guest),
`record` (many traces, and a new guest whenever the old one can no longer be trusted), `generate` (random traces).
The other end of the protocol is C: `agent/agent.c`.
"""
