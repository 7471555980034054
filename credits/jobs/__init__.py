"""The jobs: what to do, in what chunks, inside one recorded run."""
