"""Classical statistics: each module offers families of scores as `PRODUCERS`; `registry` collects them."""
